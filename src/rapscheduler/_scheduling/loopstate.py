"""What the loop remembers of each store between two passes.

Here: `StoreState`, and the stand-in through which a store of another family is called. Not here: what the loop does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rapscheduler._engine.planning import Change
from rapscheduler._scheduling.foreign import Walk
from rapscheduler.jobstores.base import BaseJobStore


class StoreState:
    """What the loop remembers of one store.

    `calls`: the store, or what makes the loop's calls to it; `unsettled`: changes it did not take, by job id;
    `deferred`: run time and retry time of jobs that could not be submitted, by job id, for a store that can't leave
    them out itself; `walks`: how far the missed times of third-party triggers were walked, by job id; `retry_at_s`:
    when to ask it again after an error (monotonic); `taken_at_us`: when it was asked for due jobs last; `took`: whether
    this pass got anything from it.
    """

    __slots__ = (
        "alias",
        "calls",
        "deferred",
        "retry_at_s",
        "store",
        "taken_at_us",
        "took",
        "unsettled",
        "walks",
    )

    def __init__(self, alias: str, store: Any) -> None:
        self.alias = alias
        self.store = store
        self.calls: Any = store if hasattr(store, "_take_due") else _BorrowedStore(store)
        self.unsettled: dict[str, Change] = {}
        self.deferred: dict[str, tuple[int | None, int]] = {}
        self.walks: dict[str, Walk] = {}
        self.retry_at_s: float | None = None
        self.taken_at_us = 0
        self.took = False

    def is_deferred(self, job: Any) -> bool:
        """Whether a due job waits for its next try."""
        entry = self.deferred.get(job.id)
        return entry is not None and entry[0] == job.run_at_us

    def end_deferments(self, now_us: int, longest_us: int) -> None:
        """Forget what may be tried again; a clock that was set back must not prolong a wait beyond the longest."""
        if self.deferred:
            latest_us = now_us + longest_us
            self.deferred = {
                job_id: entry for job_id, entry in self.deferred.items() if now_us < entry[1] <= latest_us
            }


class _BorrowedStore(BaseJobStore):
    """A store that has APScheduler's methods and is not of our family: the loop's calls go through those."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def lookup_job(self, job_id: str) -> Any:
        return self._store.lookup_job(job_id)

    def get_due_jobs(self, now: datetime) -> Any:
        return self._store.get_due_jobs(now)

    def get_next_run_time(self) -> Any:
        return self._store.get_next_run_time()

    def get_all_jobs(self) -> Any:
        return self._store.get_all_jobs()

    def add_job(self, job: Any) -> None:
        self._store.add_job(job)

    def update_job(self, job: Any) -> None:
        self._store.update_job(job)

    def remove_job(self, job_id: str) -> None:
        self._store.remove_job(job_id)

    def remove_all_jobs(self) -> None:
        self._store.remove_all_jobs()
