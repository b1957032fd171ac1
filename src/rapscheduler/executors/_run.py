"""Running a job: one loop for every executor.

Here: the misfire rule, the events of a run, the log lines, the clean-up of tracebacks; and two drivers, sync and async.
Not here: threads, processes, event loops, counters.

`run_loop` is a generator: it yields the job whose call is due, is sent the value or thrown the exception, and returns
the events. What a job raises is data here, whatever it is: `SystemExit`, `KeyboardInterrupt`, `StopIteration` and
`GeneratorExit` included become an error event, as in APScheduler, and never end the thread that runs it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from traceback import clear_frames, format_tb
from types import TracebackType
from typing import Any

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.job_core import utc_us
from rapscheduler._engine.planning import Submission
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)

Events = list[JobExecutionEvent]
RunLoop = Generator[Any, Any, Events]

SECOND_US = 1_000_000
DOWNTIME, QUEUE_WAIT = "downtime", "queue wait"

_CURES = {
    DOWNTIME: "nobody looked for due jobs at that time; a larger misfire_grace_time lets it run late",
    QUEUE_WAIT: "it waited for a free worker; more workers, or a larger misfire_grace_time, let it run",
}


# Whose frames are left out of the traceback of a job.
_OWN_MODULES = frozenset(
    (
        __name__,
        "rapscheduler.executors.base",
        "rapscheduler._engine.running",
        "rapscheduler._reference.running",
    )
)


def every_event(code: int) -> bool:
    """The answer of who wants every event."""
    return True


def submission_of(job: Any, alias: str | None, run_times: list[datetime], found_us: int) -> Submission:
    """A submission from what APScheduler's interface speaks: datetimes."""
    submission = Submission(job, [utc_us(run_time) for run_time in run_times], found_us, list(run_times))
    submission.alias = alias
    return submission


def run_loop(
    submission: Submission,
    logger: logging.Logger,
    now_us: Callable[[], int] = SYSTEM.now_us,
    wants: Callable[[int], bool] = every_event,
    begun: bool = False,
) -> RunLoop:
    """Go through the run times of a submission; yields the job to call, returns the events that `wants` asks for.

    `begun`: the first call was made already (`run_at_once`); the driver only has its outcome to send.
    """
    events: Events = []
    job, grace_s = submission.job, submission.job.misfire_grace_time
    for i, run_us in enumerate(submission.times_us()):
        if grace_s is not None and not begun:
            lateness_us = now_us() - run_us
            if lateness_us > grace_s * SECOND_US:
                _missed(submission, i, run_us, lateness_us, grace_s, logger, wants, events)
                continue
        if not begun and logger.isEnabledFor(logging.INFO):
            logger.info('Running job "%s" (scheduled at %s)', job, submission.run_time(i, run_us))
        begun = False
        try:
            retval = yield job
        except BaseException as exc:
            if _lets_go(exc):
                raise  # this generator is being closed: nobody waits for its events
            if _is_cancellation(exc):
                logger.warning('Job "%s" was cancelled', job)
                return events + lost_events(submission, exc, wants, i)
            _failed(submission, submission.run_time(i, run_us), exc, logger, wants, events)
        else:
            if wants(EVENT_JOB_EXECUTED):
                run_time = submission.run_time(i, run_us)
                events.append(
                    JobExecutionEvent(EVENT_JOB_EXECUTED, job.id, submission.alias, run_time, retval=retval)
                )
            if logger.isEnabledFor(logging.INFO):
                logger.info('Job "%s" executed successfully', job)
    return events


def _missed(
    submission: Submission,
    i: int,
    run_us: int,
    lateness_us: int,
    grace_s: int,
    logger: logging.Logger,
    wants: Callable[[int], bool],
    events: Events,
) -> None:
    """Run time `i` is past its grace: say so, and whether nobody looked or all workers were busy."""
    found_late_us = submission.found_us - run_us
    cause = DOWNTIME if found_late_us > grace_s * SECOND_US else QUEUE_WAIT
    job = submission.job
    logger.warning(
        'Run time of job "%s" was missed by %s (%s)',
        job,
        timedelta(microseconds=lateness_us),
        _CURES[cause],
    )
    if wants(EVENT_JOB_MISSED):
        events.append(
            JobExecutionEvent(
                EVENT_JOB_MISSED,
                job.id,
                submission.alias,
                submission.run_time(i, run_us),
                lateness_s=lateness_us / SECOND_US,
                cause=cause,
            )
        )


def _failed(
    submission: Submission,
    run_time: datetime,
    exc: BaseException,
    logger: logging.Logger,
    wants: Callable[[int], bool],
    events: Events,
) -> None:
    """A run raised: log it, make the event, and let go of the frames."""
    job = submission.job
    traceback = _own_frames_removed(exc.__traceback__)
    exc.__traceback__ = traceback
    if wants(EVENT_JOB_ERROR):
        events.append(
            JobExecutionEvent(
                EVENT_JOB_ERROR,
                job.id,
                submission.alias,
                run_time,
                exception=exc,
                traceback="".join(format_tb(traceback)),
            )
        )
    logger.error('Job "%s" raised an exception', job, exc_info=(type(exc), exc, traceback))
    if traceback is not None:
        clear_frames(traceback)  # the variables of a failed job must not live as long as its event


def _own_frames_removed(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback from the job's own first frame on; all of it when the call itself failed."""
    own = traceback
    while own is not None and own.tb_frame.f_globals.get("__name__") in _OWN_MODULES:
        own = own.tb_next
    return own or traceback


def _is_cancellation(exc: BaseException) -> bool:
    """Whether a run was cancelled by its loop; its remaining run times are then given up too."""
    for module_name, class_name in _CANCELLATIONS:
        module = sys.modules.get(module_name)
        if module is not None and isinstance(exc, getattr(module, class_name, ())):
            return True
    return False


# What asyncio, gevent and Twisted raise in what they cancel, if they are there at all.
_CANCELLATIONS = (
    ("asyncio", "CancelledError"),
    ("greenlet", "GreenletExit"),
    ("twisted.internet.defer", "CancelledError"),
)


def _lets_go(exc: BaseException) -> bool:
    """Whether a GeneratorExit comes from closing one of our own generators, not from the job."""
    if not isinstance(exc, GeneratorExit):
        return False
    traceback = exc.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename != __file__:
            return False
        traceback = traceback.tb_next
    return True


def lost_events(
    submission: Submission, exc: BaseException, wants: Callable[[int], bool], first: int = 0
) -> Events:
    """Error events of a submission that came to its executor and never to an end, from run `first` on."""
    if not wants(EVENT_JOB_ERROR):
        return []
    text = "".join(format_tb(exc.__traceback__))
    return [
        JobExecutionEvent(
            EVENT_JOB_ERROR, submission.job.id, submission.alias, run_time, exception=exc, traceback=text
        )
        for run_time in submission.run_times[first:]
    ]


def drive(
    loop: RunLoop, first: Callable[[], Any] | None = None, await_value: Callable[[Any], Any] | None = None
) -> Events:
    """Run a loop to its end in this thread; what a job leaves to be awaited runs on a private event loop.

    `first` gives the outcome of a first call that was made already; `await_value(awaitable)` the result of an
    awaitable, where there is a better place for it.
    """
    await_value = await_value or awaited
    try:
        job = next(loop)
        while True:
            try:
                value = job.func(*job.args, **job.kwargs) if first is None else first()
                first = None
                if value is not None and hasattr(value, "__await__"):
                    value = await_value(value)
            except BaseException as exc:
                first = None
                job = loop.throw(exc)
            else:
                job = loop.send(value)
    except StopIteration as end:
        events: Events = end.value
        return events


def outcome_of(value: Any, exc: BaseException | None) -> Callable[[], Any]:
    """The outcome of a call as a call."""

    def again() -> Any:
        if exc is not None:
            raise exc
        return value

    return again


async def drive_async(loop: RunLoop) -> Events:
    """Run a loop to its end in the running event loop."""
    try:
        job = next(loop)
        while True:
            try:
                value = job.func(*job.args, **job.kwargs)
                if value is not None and hasattr(value, "__await__"):
                    value = await value
            except BaseException as exc:
                if _lets_go(exc):
                    raise
                job = loop.throw(exc)
            else:
                job = loop.send(value)
    except StopIteration as end:
        events: Events = end.value
        return events


def awaited(value: Any) -> Any:
    """The result of an awaitable, from an event loop of its own."""
    import asyncio

    async def wait() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    close = getattr(value, "close", None)
    if close is not None:
        close()
    raise RuntimeError(
        "the job returned an awaitable in a thread whose event loop is running, so it can't be awaited here; "
        "run coroutine jobs in the 'asyncio' executor or in a thread pool"
    )
