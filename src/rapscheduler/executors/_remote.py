"""Running a job in another process: what goes there, and what comes back.

Here: the parcels that travel in both directions. Not here: pools; how a job is run (`_run`).

A value that can be written and not be read (an exception whose constructor wants other arguments than it passed on, a
class that cannot be imported there) must cost its own run only. In the messages of a pool it would end the worker or
break the whole pool, and take the runs of all other jobs along. So what belongs to the user travels as bytes, which
are read where a failure has an owner: in the job's run on the way there, event by event on the way back.
"""

from __future__ import annotations

import logging
from datetime import datetime
from multiprocessing.reduction import ForkingPickler
from traceback import format_exception_only
from typing import Any, NamedTuple

from rapscheduler.errors import LostValueError
from rapscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from rapscheduler.executors._run import Events, drive, run_loop, submission_of
from rapscheduler.util import ref_to_obj


class RemoteJob:
    """What another process needs to run a job: its texts, the reference to its callable, the arguments."""

    __slots__ = ("_call", "func_ref", "id", "misfire_grace_time", "text")

    def __init__(self, job: Any, text: str) -> None:
        self.id = job.id
        self.text = text
        self.func_ref = job.func_ref
        self.misfire_grace_time = job.misfire_grace_time
        self._call: Any = (job._portable_args(), job.kwargs)  # there: as bytes until somebody asks

    # What of this fails in the other process is the job's failure: it is looked up where the job is called.

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
        return self.text

    def __getstate__(self) -> tuple[Any, ...]:
        call = bytes(ForkingPickler.dumps(self._call))
        return call, self.func_ref, self.id, self.misfire_grace_time, self.text

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._call, self.func_ref, self.id, self.misfire_grace_time, self.text = state


class Parcel(NamedTuple):
    """An event on its way back. `value`: its return value and exception (`None`: it has neither; empty: they could
    not be written); `text`: the same in words."""

    event: JobExecutionEvent
    value: bytes | None
    text: str


def run_remote(
    job: RemoteJob, alias: str | None, run_times: list[datetime], found_us: int, logger_name: str
) -> list[Parcel]:
    """What a worker process does with a submission."""
    submission = submission_of(job, alias, run_times, found_us)
    return [_packed(event) for event in drive(run_loop(submission, logging.getLogger(logger_name)))]


def _packed(event: JobExecutionEvent) -> Parcel:
    value, exc = event.retval, event.exception
    if value is None and exc is None:
        return Parcel(event, None, "")
    if exc is None:
        text = f"it returned an object of the class {type(value).__qualname__}"
    else:
        text = f"it raised {''.join(format_exception_only(type(exc), exc)).strip()}"
    event.retval = event.exception = None
    try:
        return Parcel(event, bytes(ForkingPickler.dumps((value, exc))), text)
    except Exception as error:
        return Parcel(event, b"", f"{text}; {error!r}")


def unpacked(parcels: list[Parcel], text: str, logger: logging.Logger) -> Events:
    """The events; one whose value did not survive the journey tells that as an error. `text`: the job."""
    for event, value, content in parcels:
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
        logger.error('Job "%s": %s', text, error)
    return [parcel.event for parcel in parcels]
