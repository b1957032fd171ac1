"""Runs under way: counting them, and making the call of the plain ones.

Here: `RunningCounts` (one for a scheduler, whatever its executors), `run_at_once`. Not here: events, logs, workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from rapscheduler._reference.job_core import JobCore
from rapscheduler._reference.planning import Submission

_SECOND_US = 1_000_000


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(submission: Submission, now_us: Callable[[], int], counts: RunningCounts) -> Any:
    """Make the call of a submission that has one run time and is not late; what it returns or raises.

    `None`: it ran, there is nothing to tell, and its place in `counts` was given back. `NotBegun`: the run loop has to
    look at it. This is the price of most runs; everything else is the run loop's.
    """
    job = submission.job
    if submission._trigger is not None or len(submission._times_us) != 1 or not isinstance(job, JobCore):
        return NotBegun
    grace_s = job.misfire_grace_time
    if grace_s is not None and now_us() - submission._times_us[0] > grace_s * _SECOND_US:
        return NotBegun
    value = job.func(*job.args, **job.kwargs)
    if value is None:
        counts.release(job.id)
    return value


class RunningCounts:
    """How many runs of each job are under way, in all executors of a scheduler. Every method is atomic."""

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = Lock()

    def acquire(self, job_id: str, limit: int) -> bool:
        """Count one more run unless `limit` are under way."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count >= limit:
                return False
            self._counts[job_id] = count + 1
            return True

    def release(self, job_id: str) -> None:
        """Count one run less; an id without runs is left alone."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count > 1:
                self._counts[job_id] = count - 1
            elif count == 1:
                del self._counts[job_id]

    def acquire_runs(self, submissions: Iterable[Submission]) -> tuple[list[Submission], list[Submission]]:
        """Count many submissions: those that hold a place now, and those whose job runs often enough already.

        When a limit can't be compared, the error is raised and none of them holds a place.
        """
        granted: list[Submission] = []
        refused: list[Submission] = []
        try:
            for submission in submissions:
                job = submission.job
                if self.acquire(job.id, job.max_instances):
                    submission.counted = True
                    granted.append(submission)
                else:
                    refused.append(submission)
        except BaseException:
            for submission in granted:
                self.release_run(submission)
            raise
        return granted, refused

    def release_run(self, submission: Submission) -> None:
        """Give the place of a submission back; a second call does nothing."""
        with self._lock:
            if not submission.counted:
                return
            submission.counted = False
        self.release(submission.job.id)

    def count(self, job_id: str) -> int:
        """How many runs of this job are under way."""
        return self._counts.get(job_id, 0)

    def __len__(self) -> int:
        return len(self._counts)
