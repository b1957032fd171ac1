"""pytest-benchmark over the scheduler workloads, for one's own tuning: ``pytest benchmarks/bench_scheduler.py``."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.work_scheduler import OPERATIONS, AddJobs, ChangeJobs, DueAtOnce, LoopAlone, NothingDue
from benchmarks.workloads import Workload

OURS = "rapscheduler"
COUNT = 20_000


def run(benchmark: Any, workload: Workload) -> None:
    """Benchmarks whole rounds of one workload: its facts check that the work was done."""

    def finish() -> None:
        workload.facts()
        workload.prepare()

    try:
        workload.prepare()
        benchmark.extra_info["operations"] = workload.run()
        benchmark.pedantic(workload.run, setup=finish, rounds=5)
        workload.facts()
    finally:
        workload.close()


@pytest.mark.parametrize("bulk", [False, True], ids=["one by one", "bulk"])
@pytest.mark.parametrize("kind", ["cron", "interval"])
def bench_add_jobs(benchmark: Any, kind: str, bulk: bool) -> None:
    run(benchmark, AddJobs(OURS, count=COUNT, kind=kind, bulk=bulk))


@pytest.mark.parametrize("operation", OPERATIONS)
def bench_change_jobs(benchmark: Any, operation: str) -> None:
    run(benchmark, ChangeJobs(OURS, operation=operation, count=COUNT))


def bench_due_at_once(benchmark: Any) -> None:
    run(benchmark, DueAtOnce(OURS, count=COUNT))


def bench_loop_alone(benchmark: Any) -> None:
    run(benchmark, LoopAlone(OURS, count=COUNT))


def bench_nothing_due(benchmark: Any) -> None:
    run(benchmark, NothingDue(OURS, count=COUNT))
