"""pytest-benchmark over the trigger workloads, for one's own tuning: ``pytest benchmarks/bench_triggers.py``.

The ratios beside peers come from ``make bench``; here is only this library, with pytest-benchmark's statistics and
``--benchmark-compare``.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.work_triggers import (
    CalendarIntervalNext,
    CronNext,
    IntervalNext,
    ManyFireTimes,
    ManyTriggers,
    ParseCrontab,
)
from benchmarks.workloads import EXPRESSIONS, ZONES, Workload

OURS = "rapscheduler"


def run(benchmark: Any, workload: Workload) -> None:
    """Benchmarks one round's work; what is prepared before each round is not timed."""
    try:
        benchmark.extra_info["operations"] = workload.round()["count"]
        benchmark.pedantic(workload.run, setup=workload.prepare, rounds=20, warmup_rounds=1)
    finally:
        workload.close()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("expression", [one.name for one in EXPRESSIONS])
def bench_cron_next(benchmark: Any, expression: str, zone: str) -> None:
    run(benchmark, CronNext(OURS, expression=expression, zone=zone))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", [IntervalNext, CalendarIntervalNext])
def bench_other_next(benchmark: Any, kind: type[Workload], zone: str) -> None:
    run(benchmark, kind(OURS, zone=zone))


@pytest.mark.parametrize("form", ["int64", "datetime"])
@pytest.mark.parametrize("expression", ["every minute", "02:00 daily", "29 February"])
def bench_many_fire_times(benchmark: Any, expression: str, form: str) -> None:
    run(benchmark, ManyFireTimes(OURS, expression=expression, zone="America/New_York", form=form, count=500))


@pytest.mark.parametrize("count", [1000, 100_000])
def bench_many_triggers(benchmark: Any, count: int) -> None:
    run(benchmark, ManyTriggers(OURS, count=count))


@pytest.mark.parametrize("again", [False, True], ids=["cold", "again"])
def bench_parse(benchmark: Any, again: bool) -> None:
    run(benchmark, ParseCrontab(OURS, again=again))
