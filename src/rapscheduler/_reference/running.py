"""Runs under way: counting them, and making the call of the plain ones.

Here: `RunningCounts` (one for a scheduler, whatever its executors), `run_at_once`. Not here: events, logs, workers,
the runs of other schedulers on a shared store (`_scheduling.claims`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from rapscheduler._locks import KeptLock
from rapscheduler._reference.job_core import _QUIET, JobCore
from rapscheduler._reference.planning import Submission, is_late


class NotBegun:
    """What `run_at_once` returns when it did not make the call."""


def run_at_once(submission: Submission, now_us: Callable[[], int], counts: RunningCounts) -> Any:
    """Make the call of a submission that has one run time and is not late; what it returns or raises.

    `None`: it ran, there is nothing to tell, and its place in `counts` was given back. `NotBegun`: the run loop has to
    look at it, and at each job with options that concern its runs. This is the price of most
    runs; everything else is the run loop's.
    """
    job = submission.job
    if submission._trigger is not None or len(submission._times_us) != 1 or not isinstance(job, JobCore):
        return NotBegun
    if not _QUIET.issuperset(job._extras or ()):
        return NotBegun
    grace_s = job.misfire_grace_time
    if grace_s is not None and is_late(submission._times_us[0], now_us(), grace_s):
        return NotBegun
    value = job.func(*job.args, **job.kwargs)
    if value is None:
        counts.release(job.id)
    return value


def begins_at_once(submission: Submission, at_us: int) -> bool:
    """Whether `run_at_once` would make the call at this time."""
    job = submission.job
    if submission._trigger is not None or len(submission._times_us) != 1 or not isinstance(job, JobCore):
        return False
    if not _QUIET.issuperset(job._extras or ()):
        return False
    return not is_late(submission._times_us[0], at_us, job.misfire_grace_time)


class RunningCounts:
    """How many runs of each job are under way, in all executors of a scheduler. Every method is atomic.

    `limits`: how many runs a group's jobs may have under way together, where somebody said so; `rates`: what has
    ``take(group)``, asked before another run of a group begins, if there are any; `freed`: called with the
    id of a job whose place was given back, if anybody waits for one.
    """

    __slots__ = ("_counts", "_groups", "_lock", "freed", "limits", "rates")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._groups: dict[str, set[str]] = {}  # the jobs of each that run, or have run
        self.limits: dict[str, int] = {}
        self.rates: Any = None
        self.freed: Callable[[str], Any] | None = None
        self._lock = KeptLock()

    def acquire(self, job_id: str, limit: int) -> bool:
        """Count one more run unless `limit` are under way."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count >= limit:
                return False
            self._counts[job_id] = count + 1
            return True

    def acquire_job(self, job: Any) -> bool:
        """Count one more run of a job unless as many as allowed, of it or its group, are under way, or a rate is over.

        A job that may overlap is counted, and never kept back by its own limit.
        """
        extras = getattr(job, "_extras", None) or {}
        limit = sys.maxsize if extras.get("overlap") == "allow" else job.max_instances
        group = extras.get("group")
        if group is None:
            return self.acquire(job.id, limit)
        with self._lock:
            members = {one for one in self._groups.get(group, ()) if one in self._counts}
            most = self.limits.get(group, limit)
            if sum(self._counts[one] for one in members) >= most or self._counts.get(job.id, 0) >= limit:
                return False
            if self.rates is not None and not self.rates.take(group):
                return False
            self._groups[group] = {*members, job.id}
            self._counts[job.id] = self._counts.get(job.id, 0) + 1
            return True

    def release(self, job_id: str) -> None:
        """Count one run less; an id without runs is left alone."""
        with self._lock:
            count = self._counts.get(job_id, 0)
            if count > 1:
                self._counts[job_id] = count - 1
            elif count == 1:
                del self._counts[job_id]
            freed = self.freed
        if freed is not None:
            freed(job_id)

    def acquire_runs(self, submissions: Iterable[Submission]) -> tuple[list[Submission], list[Submission]]:
        """Count many submissions: those that hold a place now, and those whose job runs often enough already.

        When a limit can't be compared, the error is raised and none of them holds a place.
        """
        granted: list[Submission] = []
        refused: list[Submission] = []
        try:
            for submission in submissions:
                job = submission.job
                if self.acquire_job(job):
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
