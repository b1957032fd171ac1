"""The work behind the two curves: how late runs are, and what a due job costs among many that are not.

Here: the operations, written once for both libraries. Not here: the drawing (`curves`), the rows (`rows_curves`).
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from benchmarks.work_scheduler import SchedulerWorkload
from benchmarks.workloads import nothing

ADDING_US = 60  # before the first slot, for each job
STEPS = 4  # points of a curve for each tenth of the runs that are left


class Lateness(SchedulerWorkload):
    """``count`` jobs, each every ``period_s``, evenly spread, for ``seconds``: how late runs are (see `soak`)."""

    name = "lateness"

    def open(self, *, count: int, period_s: int, seconds: float) -> None:
        self.count, self.period_s, self.seconds = count, period_s, seconds

    def round(self) -> dict[str, Any]:
        from benchmarks.soak import Soak

        started = time.perf_counter()
        background = self.module("schedulers.background").BackgroundScheduler
        self.soak = Soak(background, self.triggers()[1], self.count, self.period_s, ADDING_US)
        report = self.soak.run(self.seconds, lambda sample: None)
        wrong = report.skipped + report.doubled + report.missing
        facts = {"points": self._points(report.runs), "p99_ms": report.late_p99_ms, "wrong": wrong}
        facts |= {"runs": report.runs, "cpu_share": report.cpu_share}
        return {"seconds": time.perf_counter() - started, "count": max(1, report.runs), "facts": facts}

    def _points(self, runs: int) -> list[tuple[float, float]]:
        """(the share of runs that are later, how late in seconds), from half of them to ten."""
        shares = [0.5, *(10 ** (-step / STEPS) for step in range(2, 40))]
        return [(share, self.soak.ledger.late_ms(1 - share) / 1000) for share in shares if share * runs >= 10]


class DueAmong(SchedulerWorkload):
    """A pass over ``due`` jobs that are due, among ``count`` that wait; the runs go to nobody."""

    name = "due_among"
    due = 100

    def open(self, *, count: int) -> None:
        self.count = count
        self.source = random.Random(5)
        scheduler = self.stepping(executors={"default": self.null_executor()})
        later = datetime.now(timezone.utc) + timedelta(hours=1)
        _, interval = self.triggers()
        for i in range(count):
            start = later + timedelta(seconds=i % 3000)
            scheduler.add_job(nothing, interval(hours=1, start_date=start, timezone=timezone.utc), id=str(i))

    def prepare(self) -> None:
        self.ids = [str(i) for i in self.source.sample(range(self.count), self.due)]
        now = datetime.now(timezone.utc)
        for job_id in self.ids:
            self.scheduler.modify_job(job_id, next_run_time=now)

    def run(self) -> int:
        self.scheduler._process_jobs()
        return self.due

    def facts(self) -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        left = sum(self.scheduler.get_job(job_id).next_run_time <= now for job_id in self.ids)
        if left:
            raise AssertionError(f"{left} of {self.due} jobs are due after the pass")
        return {"count": self.count}
