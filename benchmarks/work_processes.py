"""Runs in a pool of two worker processes: many that are due at one instant, and one after another.

The callable is one of the standard library, so that a worker process imports nothing of these benchmarks; a listener
for executed and error hears of each run, and the values that it hears are the answers.
"""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any

from benchmarks.work_scheduler import SchedulerWorkload


class _InProcesses(SchedulerWorkload):
    """Data: `heard`, the return values by job id; `all_heard` is set when there are `awaited` of them."""

    def open(self, *, count: int) -> None:
        self.count = count

    def begin(self) -> None:
        """A scheduler whose workers have run a job each, or one of them two."""
        pool = {"type": "processpool", "max_workers": 2}  # APScheduler takes it to pieces
        scheduler = self.paused(executors={"default": pool})
        codes = self.module("events")
        self.interval = self.triggers()[1]
        self.heard: dict[str, Any] = {}
        self.awaited, self.all_heard = 0, threading.Event()
        scheduler.add_listener(self.hear, codes.EVENT_JOB_EXECUTED | codes.EVENT_JOB_ERROR)
        for _ in range(3):
            self.add_due(4)
            self.run_all()

    def hear(self, event: Any) -> None:
        self.heard[event.job_id] = event.retval
        if len(self.heard) == self.awaited:
            self.all_heard.set()

    def add_due(self, count: int) -> None:
        self.scheduler.pause()
        self.scheduler.remove_all_jobs()
        self.heard.clear()
        self.all_heard.clear()
        self.awaited = count
        due = datetime.now(timezone.utc).replace(microsecond=0)
        for i in range(count):
            trigger = self.interval(hours=1, start_date=due, timezone=timezone.utc)
            given = {"next_run_time": due, "misfire_grace_time": None, "id": str(i)}
            self.scheduler.add_job("operator:add", trigger, args=[i, 0.5], **given)

    def run_all(self) -> None:
        self.scheduler.resume()
        if not self.all_heard.wait(600):
            raise TimeoutError(f"{len(self.heard)} of {self.awaited} runs were heard of")

    def answers(self) -> dict[str, Any]:
        self.begin()
        self.add_due(100)
        self.run_all()
        self.end_scheduler()
        return dict(sorted(self.heard.items()))

    def facts(self) -> dict[str, Any]:
        wrong = sum(value != int(name) + 0.5 for name, value in self.heard.items())
        self.end_scheduler()
        if wrong:
            raise AssertionError(f"{wrong} of {self.count} runs had another value")
        return {"count": self.count}


class DueInProcesses(_InProcesses):
    """``count`` jobs due at one instant: from resume to the last event. The processes are there."""

    name = "due_in_processes"

    def prepare(self) -> None:
        self.begin()
        self.add_due(self.count)

    def run(self) -> int:
        self.run_all()
        return self.count


class OneByOneInProcesses(_InProcesses):
    """``count`` jobs one after another: from `add_job`, which is due at once, to its event."""

    name = "one_by_one_in_processes"

    def prepare(self) -> None:
        self.begin()
        self.scheduler.remove_all_jobs()
        self.heard.clear()

    def run(self) -> int:
        for i in range(self.count):
            self.all_heard.clear()
            self.awaited = i + 1
            self.scheduler.add_job("operator:add", args=[i, 0.5], id=str(i), misfire_grace_time=None)
            if not self.all_heard.wait(60):
                raise TimeoutError("a run was not heard of")
        return self.count
