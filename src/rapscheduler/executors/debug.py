"""The executor that runs a job right where it was submitted. For tests and for looking closely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rapscheduler._engine.planning import Submission
from rapscheduler.errors import MaxInstancesReachedError
from rapscheduler.executors.base import BaseExecutor, Failures, run_job

__all__ = ("BaseExecutor", "DebugExecutor", "run_job")


class DebugExecutor(BaseExecutor):
    """Runs a job at once, in the thread that submits it: the scheduler waits for it.

    Plugin alias: ``debug``
    """

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._run_here(self._accept(job, run_times))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        failures: Failures = []
        for one in submissions:  # without the lock: what runs here is the user's
            if self._running.acquire(one.job.id, one.job.max_instances):
                self._run_here(one)
            else:
                failures.append((one, MaxInstancesReachedError(one.job)))
        return failures
