"""What every executor is: APScheduler's contract, and the batch call of the loop.

Here: `BaseExecutor`, the public `run_job` and `run_coroutine_job`. Not here: how a job is run (`_run`), workers.

A place in the scheduler's `RunningCounts` is taken before a job goes to its executor, and given back exactly once: by
`_run_job_success` or `_run_job_error` when the run ended, or here when it could not be handed over.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rapscheduler._clock import SYSTEM, now_of
from rapscheduler._engine.planning import Submission
from rapscheduler._engine.running import QuickRuns, RunningCounts
from rapscheduler._quoting import one_line
from rapscheduler._states import LOST
from rapscheduler.errors import MaxInstancesReachedError, UnrunnableJobError, ends_program, log_line
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from rapscheduler.executors._home import Failures, Home, every_event, home_in, one_by_one
from rapscheduler.executors._lines import RUN_LINES, flush, look_for_fork
from rapscheduler.executors._run import (
    RunLoop,
    advance_begun,
    drive,
    drive_async,
    lost_events,
    run_backlog,
    run_loop,
    submission_of,
)
from rapscheduler.util import elsewhere, logger_name, prefer_overridden

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

_SUBMITTING = frozenset(("start", "submit_job", "_do_submit_job", "shutdown"))
_DATETIME = datetime


if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class BaseExecutor(ABC):
    """Abstract base class of executors, with APScheduler's contract.

    A subclass gives `_do_submit_job`, which arranges for the job to be run and for `_run_job_success` or
    `_run_job_error` to be called afterwards, from any thread.
    """

    _scheduler: Any = None
    _home = Home()
    _lock: Any = None
    _logger = logging.getLogger("rapscheduler.executors")
    _now_us = staticmethod(SYSTEM.now_us)
    _wants: Callable[[int], bool] = staticmethod(every_event)

    def __init__(self) -> None:
        super().__init__()
        self._running = RunningCounts()

    #: Whether any thread may call this executor. A class that overrides how jobs are submitted has to say it again:
    #: in an event loop it is else called there only, as APScheduler does.
    takes_any_thread = False

    _writes_later = False  # whether the last line of a run may wait for `flush`, which idle workers call
    _left_lines = False  # whether lines were ever left so
    _quick: QuickRuns | None = None  # the engine's way, once it was started

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "takes_any_thread" not in cls.__dict__ and not _SUBMITTING.isdisjoint(cls.__dict__):
            cls.takes_any_thread = False
        prefer_overridden(cls, BaseExecutor, {"_submit_batch": ("submit_job", "_do_submit_job")})

    def start(self, scheduler: Any, alias: str) -> None:
        """Called when the scheduler starts, or when the executor is added to one that runs.

        :param scheduler: the scheduler that starts this executor
        :param alias: the name of this executor in that scheduler
        """
        look_for_fork()
        self._scheduler = scheduler
        self._home = home = home_in(scheduler)
        self._lock = home.create_lock()
        self._logger = logging.getLogger(logger_name(f"executors.{alias}"))
        self._running, self._now_us = home.running, home.now_us
        if not self._looks_at_events():
            self._wants = home.wants
        lines = (RUN_LINES.begun, RUN_LINES.ended)
        self._quick = QuickRuns(self, self._judge_quick_runs, globals(), JobExecutionEvent, lines)

    def shutdown(self, wait: bool = True, timeout: float | None = None) -> None:
        """Shut down this executor.

        :param wait: whether to wait until all submitted jobs have ended
        :param timeout: the most seconds to wait (`None`: as long as it takes)
        :raises ShutdownTimeoutError: if jobs were still running then
        """

    def _leave_parent(self) -> None:
        """In a forked child: forget what is under way, for threads, tasks and processes are the parent's.

        Must not wait or ask anybody; the next `start` is that of this process.
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
        if not self._running.acquire_job(job):
            raise MaxInstancesReachedError(job)
        try:
            with self._lock:
                self._do_submit_job(job, run_times)
        except BaseException:
            self._running.release(job.id)
            raise

    def _submit_batch(self, submissions: Sequence[Submission]) -> Failures:
        """Submit many jobs; the ones that were not accepted, with the errors."""
        return one_by_one(self, submissions)

    def _submit_together(
        self, submissions: Sequence[Submission], hand_over: Callable[[list[Submission]], None]
    ) -> Failures:
        """`_submit_batch` of an executor that can take many at once: count them, and hand over those that may run."""
        if self._lock is None:
            return BaseExecutor._submit_batch(self, submissions)
        try:
            granted, refused = self._running.acquire_runs(submissions)
        except Exception:  # a job whose limit is no number; it must not keep the others back
            return BaseExecutor._submit_batch(self, submissions)
        failures: Failures = [(one, MaxInstancesReachedError(one.job)) for one in refused]
        try:
            if granted:
                hand_over(granted)
        except BaseException as exc:  # the pool was shut down, or the loop is closed
            for one in granted:
                self._running.release_run(one)
            if ends_program(exc):
                raise
            failures += [(one, exc) for one in granted]
        return failures

    def _queue_depth(self) -> int | None:
        """How many submitted runs wait for a worker; `None`: not known."""
        return None

    def _has_ended(self) -> bool:
        """Whether it takes no more jobs, ever, because the main thread has ended."""
        return False

    @abstractmethod
    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        """Arrange for the job to be run."""

    def _run_job_success(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """A run came to its end, whatever the job did: give its place back, and tell the events."""
        self._running.release(job_id)
        if self._home.backlogs:
            self._home.backlogs.ended(job_id, events)
        if self._home.watched.tracker is not None:
            self._home.watched.tracker.ended(job_id, events)
        for event in events:
            self._scheduler._dispatch_event(event)

    def _run_job_error(self, job_id: str, exc: BaseException, traceback: TracebackType | None = None) -> None:
        """A run was lost on the way (not: the job raised): give its place back, and log it."""
        self._running.release(job_id)
        if self._home.backlogs.counts:
            self._home.backlogs.lost(job_id)
        log_line(
            self._logger.error, "Error running job %s", one_line(job_id), exc_info=(type(exc), exc, traceback)
        )

    def _run_lost(self, submission: Submission, exc: BaseException) -> None:
        """A run of ours was lost on the way: as `_run_job_error`, and every run time becomes an error event."""
        self._run_job_error(submission.job.id, exc, exc.__traceback__)
        self._home.watched.lost(submission, LOST, exc)
        self._tell_lost(submission, exc)

    def _tell_lost(self, submission: Submission, exc: BaseException, first: int = 0) -> None:
        """Error events of run `first` and those after it, except what was not begun of a closed backlog: it is due."""
        backlog = self._home.backlogs.of(submission)
        last = backlog.begun if backlog is not None and backlog.end() else None
        for event in lost_events(submission, exc, self._wanted(), first, last):
            self._scheduler._dispatch_event(event)

    def _run_loop(self, submission: Submission, begun: bool = False) -> RunLoop:
        """The run loop of a submission; that of a backlog tells of each run as it ends, and may be closed."""
        backlogs = self._home.backlogs
        backlog = backlogs.of(submission) if backlogs else None
        if backlog is None:
            return run_loop(
                submission, self._logger, self._told_us(), self._wanted(), begun, watched=self._home.watched
            )
        tell = None if self._looks_at_events() else self._tell_now
        now_us = backlog.now_us or self._told_us()
        told = (begun, backlog, tell, self._home.watched)
        loop = run_loop(submission, self._logger, now_us, self._wanted(), *told)
        return run_backlog(loop, backlog)

    def _looks_at_events(self) -> bool:
        """Whether somebody replaced `_run_job_success`, which then gets all events of a submission: of this object, in
        a subclass or in this class."""
        return "_run_job_success" in self.__dict__ or type(self)._run_job_success is not _RUN_JOB_SUCCESS

    def _told_us(self) -> Callable[[], int]:
        """The time, by this module's name ``datetime``, which tests replace, unless the scheduler has its own clock."""
        return _now_us if datetime is not _DATETIME and self._now_us is SYSTEM.now_us else self._now_us

    def _wanted(self) -> Callable[[int], bool]:
        """Which events are made: every one, for a `_run_job_success` that somebody put there."""
        return every_event if self._looks_at_events() else self._wants

    def _tell_now(self, event: JobExecutionEvent) -> None:
        try:
            self._scheduler._dispatch_event(event)
        except BaseException as exc:
            if ends_program(exc):
                raise
            log_line(self._logger.exception, "Error telling the outcome of job %s", one_line(event.job_id))

    def _accept(self, job: Any, run_times: list[datetime]) -> Submission:
        """A submission from the arguments of `_do_submit_job`."""
        return submission_of(job, job._jobstore_alias, run_times, self._now_us())

    def _run_here(self, submission: Submission) -> None:
        """Run a submission to its end in this thread."""
        if self._quick is None:
            self._run_long(submission)
        else:
            self._quick.make(submission)

    def _judge_quick_runs(self) -> int:
        """Whether runs that simply ran may be told by one event, and who tells it; see `QuickRuns`."""
        if self._looks_at_events():
            return 0
        return 1 if self._home.ears is None or self._home.is_hooked() else 2

    def _run_long(self, submission: Submission) -> None:
        """Run a submission that is not plain."""
        try:
            if self._left_lines:
                flush()
            events = drive(self._run_loop(submission))
        except BaseException as exc:  # not the job's own: a log handler, or a bug of ours
            self._run_lost(submission, exc)
        else:
            self._run_job_success(submission.job.id, events)

    def _finish_run(self, submission: Submission, value: Any, error: BaseException | None) -> None:
        """The run loop's part for a call that was made already, of which there is more to tell."""
        try:
            loop = self._run_loop(submission, begun=True)
            events = drive(loop, advance_begun(loop, value, error))
        except BaseException as exc:
            self._run_lost(submission, exc)
        else:
            self._run_job_success(submission.job.id, events)
        finally:
            self._home.watched.let_go(submission)
            error = None  # it holds this frame

    def _write_left(self) -> None:
        """Write the lines that this thread left for later."""
        flush()

    def _is_plain(self) -> bool:
        """Whether all that may be told of a job that simply ran is one event and two log lines."""
        # Who keeps every run, where a scheduler has somebody who does.
        watched = getattr(self._home, "watched", None)
        return (
            not self._looks_at_events()
            and not self._home.backlogs.claims
            and (watched is None or not (watched.every or watched.around))
            and datetime is _DATETIME
        )


_RUN_JOB_SUCCESS = BaseExecutor._run_job_success


def _now_us() -> int:
    return now_of(datetime)


def run_job(
    job: Any, jobstore_alias: str | None, run_times: list[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Run a job for each of its run times, in this thread; the events to be dispatched."""
    submission = submission_of(job, jobstore_alias, run_times, _now_us())
    return drive(run_loop(submission, logging.getLogger(logger_name), _now_us))


async def run_coroutine_job(
    job: Any, jobstore_alias: str | None, run_times: list[datetime], logger_name: str
) -> list[JobExecutionEvent]:
    """Run a job for each of its run times, awaiting what it returns; the events to be dispatched."""
    submission = submission_of(job, jobstore_alias, run_times, _now_us())
    return await drive_async(run_loop(submission, logging.getLogger(logger_name), _now_us))
