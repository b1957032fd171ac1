"""Making the call of a run that somebody asked to hear of.

Here: `Tracker`, what a run loop asks of whoever keeps runs; the call itself: the run as `current_run()`, middleware
around it, its interruption. Not here: events, history, retries (`_scheduling.runbook`).

A run loop makes calls by yielding something with ``func``, ``args`` and ``kwargs``; for such a run it yields a
`TrackedCall` instead of the job, so that no driver knows of it.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.ledger import Kept
from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line
from rapscheduler._runs import Run, current, followed
from rapscheduler._states import FAILED, RUNNING
from rapscheduler.errors import RunCancelledError, RunTimeoutError, log_line
from rapscheduler.events import EVENT_JOB_GAVE_UP, EVENT_JOB_RETRYING, JobExecutionEvent
from rapscheduler.util import iscoroutinefunction_partial

Middleware = Callable[[Run, Callable[[], Any]], Any]


class TrackedCall:
    """The call of a run, in the shape of a job."""

    __slots__ = ("func",)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012 (never changed)

    def __init__(self, func: Callable[[], Any]) -> None:
        self.func = func


class Tracker:
    """What a run loop tells of its runs; this one keeps none."""

    middleware: Sequence[Middleware] = ()
    now_us: Callable[[], int] = staticmethod(SYSTEM.now_us)

    def open(self, submission: Submission, run_us: int) -> Run:
        """The run of a submission's run time."""
        job = submission.job
        run = Run(job.id, submission.alias, run_us)
        run.job = job
        return run

    def go_on(self, submission: Submission, kept: Kept | Run) -> Run:
        """The run of a submission whose call was begun already: this one, or what a ledger knows."""
        run = kept if isinstance(kept, Run) else followed(kept)
        run.job = submission.job
        return run

    def begin(self, run: Run) -> bool:
        """Its call is about to be made; False: it is not to be."""
        run.state, run.started_us = RUNNING, self.now_us()
        return True

    def call(self, run: Run) -> TrackedCall:
        """The call to be made."""
        job = run.job
        extras = getattr(job, "_extras", None)
        timeout_s = None if extras is None else extras.get("timeout")
        return TrackedCall(partial(_make, run, job, self.middleware, timeout_s, self.overdue))

    def awaited(self, run: Run, value: Any) -> Any:
        """What a call left that was not made by `call`, to be awaited as this run."""
        return _awaited(run, value, None)

    def ended(self, job_id: str, events: Sequence[JobExecutionEvent]) -> None:
        """What an executor tells of a submission that came to its end."""

    def lost(self, submission: Submission, state: str, exc: BaseException) -> None:
        """A submission will not come to its end; `state`: that of its run, from now on."""

    def overdue(self, run: Run) -> None:
        """It took longer than its timeout, and nobody can interrupt it."""

    def close(self, run: Run, state: str, retval: Any = None, exc: BaseException | None = None) -> bool:
        """It has ended; False: that was told before."""
        run.retval, run.exception = retval, exc
        return run.end(state, self.now_us())


def state_after(run: Run, exc: BaseException) -> str:
    """The state of a run that raised this."""
    from rapscheduler._states import CANCELLED, TIMED_OUT

    if isinstance(exc, RunTimeoutError):
        return TIMED_OUT
    return CANCELLED if isinstance(exc, RunCancelledError) and run.cancelled else FAILED


def told_after(
    run: Run, run_time: datetime, wants: Callable[[int], bool], logger: logging.Logger
) -> list[JobExecutionEvent]:
    """What is told after a failure, and logged: when it is tried again, or that it is given up."""
    if run.retry_us is not None:
        code = EVENT_JOB_RETRYING
        log_line(
            logger.info,
            'Job "%s" is tried again at %s, after %d attempts',
            one_line(run.job_id),
            run.retry_at,
            run.attempt,
        )
    elif run.gave_up:
        code = EVENT_JOB_GAVE_UP
        log_line(logger.error, 'Job "%s" is given up after %d attempts', one_line(run.job_id), run.attempt)
    else:
        return []
    if not wants(code):
        return []
    event = JobExecutionEvent(code, run.job_id, run.alias, run_time, exception=run.exception)
    event.run = run
    return [event]


def timed_out(run: Run, timeout_s: float) -> RunTimeoutError:
    """What to raise in a run that took too long; it is to end from now on."""
    run.cancelled, run.reason = True, f"it took longer than its timeout of {timeout_s:g} s"
    return RunTimeoutError(f"run {run.id} of job {run.job_id!r}: {run.reason}")


def _make(
    run: Run,
    job: Any,
    middleware: Sequence[Middleware],
    timeout_s: float | None,
    overdue: Callable[[Run], None],
) -> Any:
    call: Callable[[], Any] = partial(job.func, *job.args, **job.kwargs)
    for around in reversed(middleware):
        call = partial(
            around, run, partial(_awaitable, call) if iscoroutinefunction_partial(around) else call
        )
    token = current.set(run)
    try:
        if timeout_s is None and "gevent" not in sys.modules:
            value = call()
        else:
            value = _in_time(run, call, job.func, timeout_s, overdue)
    finally:
        current.reset(token)
    if value is not None and hasattr(value, "__await__"):
        return _awaited(run, value, timeout_s)
    return value


async def _awaitable(call: Callable[[], Any]) -> Any:
    """The call as an async middleware makes it: a plain function's does not hold an event loop up."""
    import asyncio

    if iscoroutinefunction_partial(call):
        return await call()
    value = await asyncio.to_thread(call)
    return await value if hasattr(value, "__await__") else value


def _in_time(
    run: Run, call: Callable[[], Any], func: Any, timeout_s: float | None, overdue: Callable[[Run], None]
) -> Any:
    """Make a call in this thread or greenlet, which may take so long (None: as long as it takes)."""
    if iscoroutinefunction_partial(func):
        return call()  # what it leaves to be awaited has the time
    gevent = sys.modules.get("gevent")
    if gevent is not None and isinstance(gevent.getcurrent(), gevent.Greenlet):
        limit = gevent.Timeout(timeout_s)
        kill = partial(
            gevent.getcurrent().kill, RunCancelledError(f"run {run.id} was cancelled"), block=False
        )
        run.stop = partial(gevent.get_hub().loop.run_callback_threadsafe, kill)
        limit.start()
        try:
            return call()
        except gevent.Timeout as exc:
            if exc is not limit:
                raise
            assert timeout_s is not None
            raise timed_out(run, timeout_s) from None
        finally:
            limit.close()
            run.stop = None

    if timeout_s is None:
        return call()

    def late() -> None:
        timed_out(run, timeout_s)
        overdue(run)

    timer = threading.Timer(timeout_s, late)
    timer.daemon = True
    timer.start()
    try:
        return call()
    finally:
        timer.cancel()


async def _awaited(run: Run, value: Any, timeout_s: float | None) -> Any:
    """Await what a call left, as this run; it can be interrupted."""
    asyncio = sys.modules.get("asyncio")
    token = current.set(run)
    handle = None
    late = False
    try:
        loop = None if asyncio is None else asyncio._get_running_loop()
        task = None if asyncio is None or loop is None else asyncio.current_task()
        if loop is not None and task is not None:
            run.stop = partial(loop.call_soon_threadsafe, task.cancel)

            def stop() -> None:
                nonlocal late
                late = True
                task.cancel()

            if timeout_s is not None:
                handle = loop.call_later(timeout_s, stop)
        return await value
    except BaseException as exc:
        if asyncio is None or not isinstance(exc, asyncio.CancelledError) or not (late or run.cancelled):
            raise
        if task is not None and hasattr(task, "uncancel"):
            task.uncancel()
        if late and timeout_s is not None:
            raise timed_out(run, timeout_s) from None
        raise RunCancelledError(f"run {run.id} of job {run.job_id!r} was cancelled") from None
    finally:
        if handle is not None:
            handle.cancel()
        run.stop = None
        try:
            current.reset(token)
        except ValueError:  # closed from elsewhere
            pass
