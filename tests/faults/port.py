"""As much of a scheduler as an executor needs."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from typing import Any

from rapscheduler._engine.running import RunningCounts
from rapscheduler.events import EVENT_ALL
from rapscheduler.executors._home import Home
from rapscheduler.job import Job
from rapscheduler.triggers.date import DateTrigger

WAIT_S = 30


class Port:
    """As much of a scheduler as an executor needs; `events` in the order in which they came."""

    timezone = timezone.utc

    def __init__(self) -> None:
        self.wanted = EVENT_ALL
        self.events: list[Any] = []
        self.came = threading.Semaphore(0)
        self.running_counts = RunningCounts()

    def home_of_executors(self) -> Home:
        return Home(self.running_counts, wants=self._wants)

    def _create_lock(self) -> Any:
        return threading.RLock()

    def _dispatch_event(self, event: Any) -> None:
        self.events.append(event)
        self.came.release()

    def _wants(self, code: int) -> bool:
        return bool(self.wanted & code)

    def next(self, count: int = 1) -> list[Any]:
        for _ in range(count):
            assert self.came.acquire(timeout=WAIT_S), self.events
        return self.events[-count:]

    def job(self, func: Any, *args: Any, **values: Any) -> Job:
        values = {"id": "j", "misfire_grace_time": None, "coalesce": True, "max_instances": 1, **values}
        trigger = DateTrigger(now())
        return Job(self, func=func, args=args, kwargs={}, trigger=trigger, executor="default", **values)


def now() -> datetime:
    return datetime.now(timezone.utc)
