"""What every executor is: APScheduler's contract, and the batch call of the loop.

Here: `BaseExecutor`, the public `run_job` and `run_coroutine_job`. Not here: how a job is run (`_run`), workers.

A place in the scheduler's `RunningCounts` is taken before a job goes to its executor, and given back exactly once: by
`_run_job_success` or `_run_job_error` when the run ended, or here when it could not be handed over.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from logging import INFO
from threading import RLock
from types import TracebackType
from typing import Any

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.planning import Submission
from rapscheduler._engine.running import NotBegun, RunningCounts, run_at_once
from rapscheduler.errors import MaxInstancesReachedError, UnrunnableJobError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from rapscheduler.executors._run import (
    drive,
    drive_async,
    every_event,
    lost_events,
    outcome_of,
    run_loop,
    submission_of,
)
from rapscheduler.util import logger_name, prefer_overridden

__all__ = (
    "BaseExecutor",
    "EVENT_JOB_ERROR",
    "EVENT_JOB_EXECUTED",
    "EVENT_JOB_MISSED",
    "MaxInstancesReachedError",
    "UnrunnableJobError",
    "run_coroutine_job",
    "run_job",
)

Failures = list[tuple[Submission, Exception]]


class BaseExecutor(ABC):
    """Abstract base class of executors, with APScheduler's contract.

    A subclass gives `_do_submit_job`, which arranges for the job to be run and for `_run_job_success` or
    `_run_job_error` to be called afterwards, from any thread.
    """

    _scheduler: Any = None
    _lock: Any = None
    _logger = logging.getLogger("rapscheduler.executors")
    _now_us = staticmethod(SYSTEM.now_us)
    _wants = staticmethod(every_event)

    def __init__(self) -> None:
        super().__init__()
        self._running = RunningCounts()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        prefer_overridden(cls, BaseExecutor, {"_submit_batch": ("submit_job", "_do_submit_job")})

    def start(self, scheduler: Any, alias: str) -> None:
        """Called when the scheduler starts, or when the executor is added to one that runs.

        :param scheduler: the scheduler that starts this executor
        :param alias: the name of this executor in that scheduler
        """
        self._scheduler = scheduler
        self._lock = scheduler._create_lock() if hasattr(scheduler, "_create_lock") else RLock()
        self._logger = logging.getLogger(logger_name(f"executors.{alias}"))
        running = getattr(scheduler, "_running_counts", None)
        # An executor that was built without BaseExecutor.__init__ still gets its counts here.
        self._running = running if isinstance(running, RunningCounts) else RunningCounts()
        clock: Any = getattr(scheduler, "_clock", None)
        if callable(getattr(type(clock), "now_us", None)):
            self._now_us = clock.now_us
        told_all = type(self)._run_job_success is not BaseExecutor._run_job_success  # it looks at the events
        if not told_all and callable(getattr(type(scheduler), "_wants", None)):
            self._wants = scheduler._wants

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Shut down this executor.

        :param wait: whether to wait until all submitted jobs have ended
        :param timeout: the most seconds to wait (`None`: as long as it takes)
        :raises ShutdownTimeoutError: if jobs were still running then
        """

    def submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Submit a job for execution.

        :param job: the job to run
        :param run_times: when it should have run (aware datetimes)
        :raises MaxInstancesReachedError: if as many runs of it as allowed are under way
        """
        if self._lock is None:
            raise RuntimeError(
                f"{type(self).__name__} has not been started; add it to a scheduler, and start that"
            )
        if not self._running.acquire(job.id, job.max_instances):
            raise MaxInstancesReachedError(job)
        try:
            with self._lock:
                self._do_submit_job(job, run_times)
        except BaseException:
            self._running.release(job.id)
            raise

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        """Submit many jobs; the ones that were not accepted, with the errors."""
        failures: Failures = []
        for submission in submissions:
            try:
                self.submit_job(submission.job, submission.run_times)
            except Exception as exc:
                failures.append((submission, exc))
        return failures

    def _queue_depth(self) -> int | None:
        """How many submitted runs wait for a worker; `None`: not known."""
        return None

    @abstractmethod
    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Arrange for the job to be run."""

    def _run_job_success(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """A run came to its end, whatever the job did: give its place back, and tell the events."""
        self._running.release(job_id)
        for event in events:
            self._scheduler._dispatch_event(event)

    def _run_job_error(self, job_id: str, exc: BaseException, traceback: TracebackType | None = None) -> None:
        """A run was lost on the way (not: the job raised): give its place back, and log it."""
        self._running.release(job_id)
        self._logger.error("Error running job %s", job_id, exc_info=(type(exc), exc, traceback))

    def _run_lost(self, submission: Submission, exc: BaseException) -> None:
        """A run of ours was lost on the way: as `_run_job_error`, and every run time becomes an error event."""
        self._run_job_error(submission.job.id, exc, exc.__traceback__)
        for event in lost_events(submission, exc, self._wants):
            self._scheduler._dispatch_event(event)

    def _accept(self, job: Any, run_times: list[datetime]) -> Submission:
        """A submission from the arguments of `_do_submit_job`."""
        return submission_of(job, job._jobstore_alias, run_times, self._now_us())

    def _run_here(self, submission: Submission) -> None:
        """Run a submission to its end in this thread."""
        try:
            events = self._quick_run(submission) if self._is_quiet() else self._whole_run(submission)
            if events is None:
                return  # nothing to tell, and the engine gave its place back
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            self._run_lost(submission, exc)
        else:
            self._run_job_success(submission.job.id, events)

    def _is_quiet(self) -> bool:
        """Whether nobody wants to hear of a job that simply ran."""
        return not self._wants(EVENT_JOB_EXECUTED) and not self._logger.isEnabledFor(INFO)

    def _quick_run(self, submission: Submission) -> Sequence[JobExecutionEvent] | None:
        """Make the call at once; the run loop comes in when there is anything to tell about it."""
        value, error = None, None
        try:
            value = run_at_once(submission, self._now_us, self._running)
            if value is None:
                return None
        except BaseException as exc:
            error = exc
        if value is NotBegun:
            return self._whole_run(submission)
        try:
            loop = run_loop(submission, self._logger, self._now_us, self._wants, begun=True)
            return drive(loop, outcome_of(value, error))
        finally:
            error = None  # it holds this frame

    def _whole_run(self, submission: Submission) -> Sequence[JobExecutionEvent]:
        return drive(run_loop(submission, self._logger, self._now_us, self._wants))


def run_job(
    job: Any, jobstore_alias: str | None, run_times: list[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Run a job for each of its run times, in this thread; the events to be dispatched."""
    submission = submission_of(job, jobstore_alias, run_times, SYSTEM.now_us())
    return drive(run_loop(submission, logging.getLogger(logger_name)))


async def run_coroutine_job(
    job: Any, jobstore_alias: str | None, run_times: list[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Run a job for each of its run times, awaiting what it returns; the events to be dispatched."""
    submission = submission_of(job, jobstore_alias, run_times, SYSTEM.now_us())
    return await drive_async(run_loop(submission, logging.getLogger(logger_name)))
