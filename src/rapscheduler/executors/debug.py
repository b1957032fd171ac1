"""The executor that runs a job right where it was submitted. For tests and for looking closely."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rapscheduler._engine.planning import Submission
from rapscheduler.errors import MaxInstancesReachedError, ends_program
from rapscheduler.executors._home import Failures
from rapscheduler.executors.base import BaseExecutor, run_job
from rapscheduler.util import elsewhere

__all__ = ("BaseExecutor", "DebugExecutor", "run_job")


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class DebugExecutor(BaseExecutor):
    """Runs a job at once, in the thread that submits it: the scheduler waits for it.

    Plugin alias: ``debug``
    """

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        self._run_here(self._accept(job, run_times))

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        failures: Failures = []
        for one in submissions:  # without the lock: what runs here is the user's
            try:
                if self._running.acquire_job(one.job):
                    self._run_here(one)
                else:
                    failures.append((one, MaxInstancesReachedError(one.job)))
            except BaseException as exc:  # a limit that is no number
                if ends_program(exc):
                    raise
                failures.append((one, exc))
        return failures
