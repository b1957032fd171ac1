"""Running a job in another process: what goes there, and what comes back.

Here: the parcels that travel in both directions. Not here: pools; how a job is run (`_run`).

A value that can be written and not be read (an exception whose constructor wants other arguments than it passed on, a
class that cannot be imported there) must cost its own run only. In the messages of a pool it would end the worker or
break the whole pool, and take the runs of all other jobs along. So what belongs to the user travels as bytes, which
are read where a failure has an owner: in the job's run on the way there, event by event on the way back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from multiprocessing.reduction import ForkingPickler
from traceback import format_exception_only
from typing import Any, NamedTuple

from rapscheduler._engine.planning import Submission
from rapscheduler._quoting import one_line, said
from rapscheduler._runs import Run
from rapscheduler._states import DONE, LOST, MISSED
from rapscheduler.errors import LostValueError
from rapscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MISSED, JobExecutionEvent
from rapscheduler.executors._home import Watched
from rapscheduler.executors._run import Events
from rapscheduler.executors._tracked import Tracker, state_after, told_after
from rapscheduler.util import ref_to_obj


def begin_worker(initializer: bytes) -> None:
    """The first thing in a worker process of a parent with `install_as_apscheduler()`; then the user's initializer."""
    from rapscheduler._alias import install

    install()
    call, args = ForkingPickler.loads(initializer)
    if call is not None:
        call(*args)


class RemoteJob:
    """What the run loop has of a job in another process. `_call`: arguments as bytes until somebody asks; `_text()`:
    the job in words."""

    __slots__ = ("_call", "_text", "func_ref", "id", "misfire_grace_time")

    def __init__(
        self, call: bytes | None, func_ref: str, job_id: str, grace_s: Any, text: Callable[[], str]
    ) -> None:
        self._call: Any = ((), {}) if call is None else call
        self.func_ref, self.id, self.misfire_grace_time, self._text = func_ref, job_id, grace_s, text

    # What of this fails here is the job's failure: it is looked up where the job is called.

    @property
    def func(self) -> Any:
        """The callable, imported where it is called."""
        return ref_to_obj(self.func_ref)

    @property
    def args(self) -> Any:
        return self._arguments()[0]

    @property
    def kwargs(self) -> Any:
        return self._arguments()[1]

    def _arguments(self) -> Any:
        if isinstance(self._call, bytes):
            self._call = ForkingPickler.loads(self._call)
        return self._call

    def __str__(self) -> str:
        return self._text()


class Parcel(NamedTuple):
    """An event on its way back. `value`: its return value and exception (`None`: it has neither; empty: they could
    not be written); `text`: the same in words."""

    event: JobExecutionEvent
    value: bytes | None
    text: str
    started_us: int | None = None


class Passport(NamedTuple):
    """What a run takes along to the other process."""

    run_us: int
    id: str
    job_id: str
    scheduled_us: int
    attempt: int


class Travelled(Tracker):
    """The runs of a submission, in the process where their calls are made."""

    def __init__(self, passports: Sequence[Passport]) -> None:
        self._passports = {passport.run_us: passport for passport in passports}

    def open(self, submission: Submission, run_us: int) -> Run:
        passport = self._passports.get(run_us)
        run = super().open(submission, run_us)
        if passport is not None:
            _, run.id, run.job_id, run.scheduled_us, run.attempt = passport
        return run


def travelling(passports: Sequence[Passport]) -> Watched:
    """Who keeps the runs in the process where they are made; beside the way there this costs nothing."""
    watched = Watched(lambda: Travelled(passports))
    watched.every = True
    return watched


def packed(event: JobExecutionEvent) -> Parcel:
    """An event, as it goes back."""
    value, exc = event.retval, event.exception
    started_us = None if event.run is None else event.run.started_us
    if event.run is not None:  # it stays here
        event._run_id, event.run = event.run.id, None
    if value is None and exc is None:
        return Parcel(event, None, "", started_us)
    if exc is None:
        text = f"it returned an object of the class {type(value).__qualname__}"
    else:
        text = f"it raised {''.join(format_exception_only(type(exc), exc)).strip()}"
    event.retval = event.exception = None
    try:
        return Parcel(event, bytes(ForkingPickler.dumps((value, exc), 5)), text, started_us)
    except BaseException as error:  # of a __reduce__ of the user's
        return Parcel(event, b"", f"{text}; {error!r}", started_us)


def unpacked(parcels: list[Parcel], text: Callable[[], str], logger: logging.Logger) -> Events:
    """The events; one whose value did not survive the journey tells that as an error. `text`: the job in words."""
    for event, value, content, _ in parcels:
        if value is None:
            continue
        cause: BaseException | None = None
        try:
            if value:
                event.retval, event.exception = ForkingPickler.loads(value)
                continue
        except BaseException as exc:  # it is the user's, and a pool's own thread must not end here
            cause, content = exc, f"{content}; {exc!r}"
        error = LostValueError(
            f"what the job left behind could not be brought from its process: {content}. Pickle has to be able to "
            "write and to read it; an exception passes all arguments of its constructor to super().__init__()"
        )
        error.__cause__ = cause
        event.code, event.exception = EVENT_JOB_ERROR, error
        event.traceback = event.traceback or ""
        logger.error('Job "%s": %s', one_line(text()), said(error))
    return [parcel.event for parcel in parcels]


# The runs, here


def passport(run: Run, run_us: int) -> Passport:
    return Passport(run_us, run.id, run.job_id, run.scheduled_us, run.attempt)


def close_runs(
    tracker: Any,
    runs: Sequence[Run],
    parcels: Sequence[Parcel],
    wants: Callable[[int], bool],
    logger: logging.Logger,
) -> Events:
    """They are back, and ``parcels`` unpacked; the events to be told."""
    by_id = {run.id: run for run in runs}
    events: Events = []
    for event, _, _, started_us in parcels:
        run = by_id.get(event._run_id or "")
        events.append(event)
        if run is None:
            continue
        run.started_us = started_us
        if event.code == EVENT_JOB_MISSED:
            run.reason = f"{event.lateness_s:g} s late ({event.cause})"
            tracker.close(run, MISSED)
        elif event.exception is None:
            tracker.close(run, DONE, event.retval)
        else:
            tracker.close(run, state_after(run, event.exception), exc=event.exception)
        event.run, event.job_id = run, run.job_id
        if run.retry_us is not None and getattr(event.exception, "asks_for_retry", False):
            events.pop()
        events += told_after(run, event.scheduled_run_time, wants, logger)
    return events


def lose_runs(tracker: Any, runs: Sequence[Run], exc: BaseException) -> None:
    """Their process or their pool is gone."""
    for run in runs:
        run.reason = said(exc)
        tracker.close(run, LOST, exc=exc)
