"""Running a job: one loop for every executor.

Here: the misfire rule (`_engine.planning.is_late`) at the start of a run, the events of a run, the log lines, the
clean-up of tracebacks; and the drivers. Not here: threads, processes, event loops, counters.

`run_loop` does nothing itself. It is a generator of steps: a job, whose call is due, or an `Await`. It is sent the
value or thrown the exception, and returns the events. What a job raises is data here, whatever it is.
`SystemExit`, `KeyboardInterrupt`, `StopIteration` and `GeneratorExit` too become an error event, as in APScheduler, and
never end the thread that runs it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from traceback import clear_frames, format_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.job_core import utc_us
from rapscheduler._engine.planning import Submission, is_late
from rapscheduler._instants import SECOND_US
from rapscheduler._states import CANCELLED, DONE, MISSED
from rapscheduler.errors import log_line
from rapscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from rapscheduler.executors._home import Backlog, Watched, every_event
from rapscheduler.util import logger_name

if TYPE_CHECKING:
    from rapscheduler._runs import Run

Events = list[JobExecutionEvent]


@final
class Await:
    """What a callable left to be awaited."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


RunLoop = Generator[Any, Any, Events]  # of steps: a job, whose call is due, or an `Await`

DOWNTIME, QUEUE_WAIT = "downtime", "queue wait"

_CURES = {
    DOWNTIME: "nobody looked for due jobs at that time; a larger misfire_grace_time lets it run late",
    QUEUE_WAIT: "it waited for a free worker; more workers, or a larger misfire_grace_time, let it run",
}


# Whose frames are left out of the traceback of a job.
_OWN_MODULES = frozenset(
    (
        __name__,
        "rapscheduler.executors._tracked",
        "rapscheduler.executors._worker_process",
        "rapscheduler.executors.base",
        "rapscheduler._engine.ledger",
        "rapscheduler._engine.running",
        "rapscheduler._reference.ledger",
        "rapscheduler._reference.running",
    )
)


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
    backlog: Backlog | None = None,
    tell: Callable[[JobExecutionEvent], None] | None = None,
    watched: Watched | None = None,
) -> RunLoop:
    """Go through the run times of a submission; returns the events that `wants` asks for.

    `begun`: the first call was made already (`QuickRuns`), and its backlog begun; the driver only has its outcome to
    send. `backlog`: what says before each run whether it may be begun; `tell`: what is given the events as the runs
    end, all but the last. `watched`: who keeps runs, if anybody does.
    """
    events: Events = []
    job, grace_s = submission.job, submission.job.misfire_grace_time
    tracker = None if watched is None else watched.tracker_for(submission)
    run: Run | None = None
    for i, run_us in enumerate(submission.times_us()):
        if backlog is not None:
            if not begun and not backlog.begin(i):
                break
            if tell is not None:
                _tell_all(events, tell)
        kept = submission.kept if begun else None
        if tracker is not None:
            run = tracker.open(submission, run_us) if kept is None else tracker.go_on(submission, kept)
        if grace_s is not None and not begun:
            began_us = now_us()
            if is_late(run_us, began_us, grace_s):
                _missed(submission, i, run_us, began_us - run_us, logger, wants, events, tracker, run)
                continue
        if run is not None and tracker is not None and kept is None and not tracker.begin(run):
            continue  # cancelled, and told
        if not begun and logger.isEnabledFor(logging.INFO):
            log_line(logger.info, 'Running job "%s" (scheduled at %s)', job, submission.run_time(i, run_us))
        begun = False
        try:
            retval = yield (job if run is None or tracker is None else tracker.call(run))
            if retval is not None and hasattr(retval, "__await__"):
                if run is not None and tracker is not None and kept is not None:
                    retval = tracker.awaited(run, retval)
                retval = yield Await(retval)
        except BaseException as exc:
            if _lets_go(exc):
                raise  # this generator is being closed: nobody waits for its events
            if _is_cancellation(exc):
                log_line(logger.warning, 'Job "%s" was cancelled', job)
                if run is not None and tracker is not None:
                    tracker.close(run, CANCELLED, exc=exc)
                last = i + 1 if backlog is not None and backlog.closed else None  # the others stay due
                return events + lost_events(submission, exc, wants, i, last)
            if run is None and watched is not None:
                tracker, run = watched.after_failure(submission, run_us, exc)
            if run is None or tracker is None:
                _failed(submission, submission.run_time(i, run_us), exc, logger, wants, events)
            else:
                _run_failed(submission, i, run, exc, logger, wants, events, tracker)
        else:
            told = run is None or tracker is None or tracker.close(run, DONE, retval)
            if told and wants(EVENT_JOB_EXECUTED):
                run_time = submission.run_time(i, run_us if run is None else run.scheduled_us)
                event = JobExecutionEvent(
                    EVENT_JOB_EXECUTED, job.id, submission.alias, run_time, retval=retval
                )
                if run is not None:
                    event.run, event.job_id = run, run.job_id
                events.append(event)
            if logger.isEnabledFor(logging.INFO):
                log_line(logger.info, 'Job "%s" executed successfully', job)
    return events


def run_backlog(loop: RunLoop, backlog: Backlog) -> RunLoop:
    """The run loop of a backlog, which is over with it."""
    try:
        return (yield from loop)
    finally:
        backlog.end()


def _tell_all(events: Events, tell: Callable[[JobExecutionEvent], None]) -> None:
    for event in events:
        tell(event)
    events.clear()


def _missed(
    submission: Submission,
    i: int,
    run_us: int,
    lateness_us: int,
    logger: logging.Logger,
    wants: Callable[[int], bool],
    events: Events,
    tracker: Any = None,
    run: Run | None = None,
) -> None:
    """Run time `i` is past its grace: say so, and whether nobody looked or all workers were busy."""
    job = submission.job
    cause = DOWNTIME if is_late(run_us, submission.found_us, job.misfire_grace_time) else QUEUE_WAIT
    log_line(
        logger.warning,
        'Run time of job "%s" was missed by %s (%s)',
        job,
        timedelta(microseconds=lateness_us),
        _CURES[cause],
    )
    if run is not None:
        run.reason = f"{lateness_us / SECOND_US:g} s late ({cause})"
        tracker.close(run, MISSED)
    if wants(EVENT_JOB_MISSED):
        event = JobExecutionEvent(
            EVENT_JOB_MISSED,
            job.id,
            submission.alias,
            submission.run_time(i, run_us),
            lateness_s=lateness_us / SECOND_US,
            cause=cause,
        )
        if run is not None:
            event.run, event.job_id = run, run.job_id
        events.append(event)


def _run_failed(
    submission: Submission,
    i: int,
    run: Run,
    exc: BaseException,
    logger: logging.Logger,
    wants: Callable[[int], bool],
    events: Events,
    tracker: Any,
) -> None:
    """A run that somebody keeps raised: as `_failed`, unless its end was told before, or it only wants another try."""
    from rapscheduler.executors._tracked import state_after, told_after

    first = len(events)
    if not tracker.close(run, state_after(run, exc), exc=exc):
        return
    run_time = submission.run_time(i, run.scheduled_us)
    if run.retry_us is None or not getattr(exc, "asks_for_retry", False):
        _failed(submission, run_time, exc, logger, wants, events)
    events += told_after(run, run_time, wants, logger)
    for event in events[first:]:
        event.run, event.job_id = run, run.job_id


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
    log_line(logger.error, 'Job "%s" raised an exception', job, exc_info=(type(exc), exc, traceback))
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
    submission: Submission,
    exc: BaseException,
    wants: Callable[[int], bool],
    first: int = 0,
    last: int | None = None,
) -> Events:
    """Error events of a submission that came to its executor and never to an end: runs `first` to `last` (or all)."""
    if not wants(EVENT_JOB_ERROR):
        return []
    text = "".join(format_tb(exc.__traceback__))
    return [
        JobExecutionEvent(
            EVENT_JOB_ERROR, submission.job.id, submission.alias, run_time, exception=exc, traceback=text
        )
        for run_time in submission.run_times[first:last]
    ]


# Drivers


def advance(loop: RunLoop, value: Any = None, error: BaseException | None = None) -> Await | Events:
    """Take a run loop on in this thread, to its end or until something has to be awaited.

    `value` or `error`: what came of the step before, an `Await` or a call that was made already (`begun`).
    """
    try:
        step = loop.send(value) if error is None else loop.throw(error)
        while type(step) is not Await:
            try:
                value = step.func(*step.args, **step.kwargs)
            except BaseException as exc:
                step = loop.throw(exc)
            else:
                step = loop.send(value)
        return step
    except StopIteration as end:
        events: Events = end.value
        return events


def advance_begun(loop: RunLoop, value: Any, error: BaseException | None) -> Await | Events:
    """Take a run loop on whose first call was made already (`begun`)."""
    next(loop)
    return advance(loop, value, error)


def drive(
    loop: RunLoop, step: Await | Events | None = None, wait_for: Callable[[Any], Any] | None = None
) -> Events:
    """Run a loop to its end in this thread; what a job leaves to be awaited runs on a private event loop.

    `step`: where it was advanced to; `wait_for(awaitable)` gives the result of an awaitable, where there is a better
    place for it.
    """
    if step is None:
        step = advance(loop)
    while type(step) is Await:
        step = advance(loop, *_outcome(wait_for or awaited, step.value))
    return step


def _outcome(call: Callable[[Any], Any], value: Any) -> tuple[Any, BaseException | None]:
    try:
        return call(value), None
    except BaseException as exc:
        return None, exc


async def drive_async(
    loop: RunLoop, step: Await | Events | None = None, in_thread: Callable[..., Any] | None = None
) -> Events:
    """Run a loop to its end, awaiting in the running event loop what the calls leave.

    The calls are made here too, or by `in_thread`, an `advance` to be awaited.
    """
    if step is None:
        step = advance(loop)
    while type(step) is Await:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = (await step.value, None)
        except BaseException as exc:
            if _lets_go(exc):
                raise
            outcome = (None, exc)
        step = advance(loop, *outcome) if in_thread is None else await in_thread(loop, *outcome)
        del outcome  # an exception holds this frame
    return step


LEFT_TASKS_S = 2.0  # for tasks that a coroutine left behind


def awaited(value: Any) -> Any:
    """The result of an awaitable, from an event loop of its own.

    The loop ends with it, so tasks that it left behind get `LEFT_TASKS_S` to end by themselves; then they are
    cancelled, and a log line says so.
    """
    import asyncio

    async def wait() -> Any:
        try:
            return await value
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            pending = (await asyncio.wait(left, timeout=LEFT_TASKS_S))[1] if left else ()
            if pending:
                logging.getLogger(logger_name("executors")).warning(
                    "%r left %d tasks behind, which are cancelled with its private event loop: await them in the job, "
                    "or run it in an AsyncIOScheduler, whose loop goes on",
                    value,
                    len(pending),
                )

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
