"""A million jobs, each once a minute, for minutes: ``make soak``. Each run accounts for itself.

Job ``i`` fires at ``base + phase(i) + k * period``. Every run computes its slot ``k`` and its lateness from the clock,
and checks that ``k`` is the slot after the one it ran last: a slot left out is *skipped*, one that comes again is
*doubled*. What is counted lives in arrays of fixed size, so that this process's memory shows the scheduler's drift.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

US = 1_000_000
# Lateness is counted in buckets of 50 µs; the last bucket holds everything from half a second up.
BUCKET_US, BUCKETS = 50, 10_001


class Ledger:
    """What the runs write: ``last[i]`` is the last slot that job i ran (-1 = none), ``late[b]`` by lateness.

    One job never runs twice at once (max_instances is 1), so last[i] has one writer at a time; no thread switch falls
    into the ``+=`` on a bucket, which calls nothing.
    """

    def __init__(self, count: int, base_us: int, period_us: int) -> None:
        self.count, self.base_us, self.period_us = count, base_us, period_us
        self.last = array("i", [-1]) * count
        self.late = array("q", [0]) * BUCKETS
        self.skipped = self.doubled = 0

    def phase_us(self, i: int) -> int:
        return i * self.period_us // self.count

    def note(self, i: int) -> None:
        """The work of job ``i``."""
        slot, late_us = divmod(
            time.time_ns() // 1000 - self.base_us - i * self.period_us // self.count, self.period_us
        )
        expected = self.last[i] + 1
        if slot != expected:
            if slot < expected:
                self.doubled += expected - slot
            else:
                self.skipped += slot - expected
        self.last[i] = slot
        bucket = late_us // BUCKET_US
        self.late[bucket if bucket < BUCKETS else BUCKETS - 1] += 1

    def runs(self) -> int:
        return sum(self.late)

    def late_ms(self, share: float) -> float:
        """The lateness that ``share`` of the runs do not exceed (upper edge of its bucket)."""
        wanted, seen = share * self.runs(), 0
        for bucket, number in enumerate(self.late):
            seen += number
            if number and seen >= wanted:
                return (bucket + 1) * BUCKET_US / 1000
        return 0.0


_ledger: Ledger


def note(i: int) -> None:
    """The job: module-level, as a job's function should be."""
    _ledger.note(i)


@dataclass
class Report:
    """Times in seconds, lateness in milliseconds, memory in bytes."""

    jobs: int = 0
    seconds: float = 0.0
    runs: int = 0
    skipped: int = 0
    doubled: int = 0
    missing: int = 0
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_p999_ms: float = 0.0
    late_max_ms: float = 0.0
    cpu_share: float = 0.0
    rss_first: int = 0
    rss_last: int = 0
    rss_samples: list[int] = field(default_factory=list)

    @property
    def rss_drift(self) -> float:
        return self.rss_last / self.rss_first - 1 if self.rss_first else 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"rss_drift": self.rss_drift}


def resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Soak:
    """Adds the jobs when it is made, runs them when it is told to. One use."""

    def __init__(
        self, scheduler_class: Any, interval: Any, count: int, period_s: int, adding_us: int = 20
    ) -> None:
        global _ledger
        period_us = period_s * US
        # The first slot begins after the jobs are added: 20 µs for each is far more than adding takes on a machine
        # with nothing else to do.
        base_us = (time.time_ns() // 1000 // US + 2) * US + count * adding_us
        self.ledger = _ledger = Ledger(count, base_us, period_us)
        self.scheduler = scheduler_class(timezone="UTC")
        self.scheduler.start(paused=True)
        epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
        for i in range(count):
            start = epoch + timedelta(microseconds=base_us + self.ledger.phase_us(i))
            self.scheduler.add_job(
                note, interval(seconds=period_s, start_date=start, timezone=timezone.utc), args=(i,)
            )
        self.late_start = time.time_ns() // 1000 > base_us

    def run(self, seconds: float, show: Callable[[Report], None]) -> Report:
        """Runs for ``seconds`` after the first slot has begun; ``show`` is called about once in two seconds."""
        if self.late_start:
            raise RuntimeError(
                "adding the jobs took longer than was allowed for, so slots have passed: machine too busy"
            )
        ledger = self.ledger
        self.scheduler.resume()
        time.sleep(max(0.0, ledger.base_us / US - time.time()))
        started, cpu = time.monotonic(), _cpu_s()
        report = Report(jobs=ledger.count)
        # Memory counts from the end of the warm-up: the first period allocates what the later ones use again.
        warm_s = min(seconds / 4, ledger.period_us / US)
        while (elapsed := time.monotonic() - started) < seconds:
            time.sleep(min(2.0, seconds - elapsed))
            self._fill(report, time.monotonic() - started)
            report.cpu_share = (_cpu_s() - cpu) / report.seconds
            if report.seconds >= warm_s:
                report.rss_samples.append(resident_bytes())
            show(report)
        self.scheduler.pause()
        ended_us = time.time_ns() // 1000
        self._settle(report, ended_us)
        return report

    def _fill(self, report: Report, seconds: float) -> None:
        ledger = self.ledger
        report.seconds, report.runs = seconds, ledger.runs()
        report.skipped, report.doubled = ledger.skipped, ledger.doubled
        report.late_p50_ms, report.late_p99_ms = ledger.late_ms(0.5), ledger.late_ms(0.99)
        report.late_p999_ms, report.late_max_ms = ledger.late_ms(0.999), ledger.late_ms(1.0)

    def _settle(self, report: Report, ended_us: int) -> None:
        """Waits for the runs in flight, then counts the slots that should have run and did not."""
        counted = -1
        while counted != self.ledger.runs():
            counted = self.ledger.runs()
            time.sleep(0.5)
        self._fill(report, report.seconds)
        ledger = self.ledger
        # A slot that came up in the last second may have been left due by the pause; every older one must have run.
        until_us = ended_us - US - ledger.base_us
        report.missing = sum(
            max(0, (until_us - ledger.phase_us(i)) // ledger.period_us - ledger.last[i])
            for i in range(ledger.count)
        )
        if report.rss_samples:
            report.rss_first, report.rss_last = report.rss_samples[0], report.rss_samples[-1]
        self.scheduler.shutdown(wait=True)


def _show(report: Report) -> None:
    print(
        f"{report.seconds:6.0f} s  {report.runs:11,} runs ({report.runs / report.seconds:,.0f}/s)  "
        f"skipped {report.skipped}  doubled {report.doubled}  late p50 {report.late_p50_ms:.2f} "
        f"p99 {report.late_p99_ms:.2f} max {report.late_max_ms:.1f} ms  cpu {report.cpu_share:.0%}  "
        f"rss {resident_bytes() / 1e6:,.0f} MB",
        flush=True,
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--period", type=int, default=60, help="seconds between the runs of a job")
    arguments = parser.parse_args(argv)
    background = importlib.import_module("rapscheduler.schedulers.background").BackgroundScheduler
    interval = importlib.import_module("rapscheduler.triggers.interval").IntervalTrigger
    print(f"adding {arguments.jobs:,} jobs …", flush=True)
    soak = Soak(background, interval, arguments.jobs, arguments.period)
    report = soak.run(arguments.minutes * 60, _show)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    facts = report.as_dict()
    facts.pop("rss_samples")
    (results / "soak.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))
    wrong = report.skipped + report.doubled + report.missing
    print("every slot ran once" if not wrong else f"{wrong} slots were skipped, doubled or missing")
    return 1 if wrong else 0


if __name__ == "__main__":
    # Imported under its own name, so that the jobs and this command see the same ledger.
    sys.exit(importlib.import_module("benchmarks.soak").main())
