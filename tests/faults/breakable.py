"""Stores, triggers and executors that fail on purpose, for the tests of this folder."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rapscheduler.errors import JobLookupError
from rapscheduler.executors.base import BaseExecutor
from rapscheduler.jobstores.base import BaseJobStore
from rapscheduler.jobstores.memory import MemoryJobStore
from rapscheduler.triggers.base import BaseTrigger
from rapscheduler.triggers.interval import IntervalTrigger

START = datetime(2025, 6, 1, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


class PublicStore(BaseJobStore):
    """A store of a third party: APScheduler's contract, jobs by value."""

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}

    def _job(self, state: Any) -> Any:
        from rapscheduler.job import Job

        job = Job.__new__(Job)
        for key, value in state.items():
            setattr(job, key, value)
        job._scheduler, job._jobstore_alias = self._scheduler, self._alias
        return job

    def _state(self, job: Any) -> Any:
        names = "id func func_ref args kwargs name trigger executor misfire_grace_time coalesce max_instances"
        return {name: getattr(job, name) for name in [*names.split(), "next_run_time"]}

    def lookup_job(self, job_id: str) -> Any:
        return self._job(self.states[job_id]) if job_id in self.states else None

    def get_all_jobs(self) -> list[Any]:
        jobs = [self._job(state) for state in self.states.values()]
        far = datetime.max.replace(tzinfo=timezone.utc)
        return sorted(jobs, key=lambda job: (job.next_run_time or far, job.id))

    def get_due_jobs(self, now: datetime) -> list[Any]:
        return [job for job in self.get_all_jobs() if job.next_run_time and job.next_run_time <= now]

    def get_next_run_time(self) -> datetime | None:
        return next((job.next_run_time for job in self.get_all_jobs()), None)

    def add_job(self, job: Any) -> None:
        self.states[job.id] = self._state(job)

    def update_job(self, job: Any) -> None:
        if job.id not in self.states:
            raise JobLookupError(job.id)
        self.states[job.id] = self._state(job)

    def remove_job(self, job_id: str) -> None:
        if self.states.pop(job_id, None) is None:
            raise JobLookupError(job_id)

    def remove_all_jobs(self) -> None:
        self.states.clear()


STORES = {"memory": MemoryJobStore, "public": PublicStore}


class Refusing(BaseExecutor):
    """Takes no job while `refuse` is true; then runs it in place."""

    refuse = True

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        if self.refuse:
            raise OSError("no room")
        self._run_here(self._accept(job, run_times))


class Raising(BaseTrigger):
    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        if previous is not None:
            raise ZeroDivisionError("poison")
        return now


class Stuck(BaseTrigger):
    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return previous or now


def every(seconds: float, **kwargs: Any) -> IntervalTrigger:
    return IntervalTrigger(seconds=seconds, start_date=START, timezone=timezone.utc, **kwargs)


def break_for(store: Any, name: str, times: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a method of a store raise the next `times` times; returns the list of its calls."""
    method = getattr(store, name)
    calls: list[int] = []

    def broken(*args: Any) -> Any:
        calls.append(1)
        if len(calls) <= times:
            raise ConnectionError(f"{name} is broken")
        return method(*args)

    monkeypatch.setattr(store, name, broken)
    return calls
