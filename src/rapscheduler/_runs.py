"""A run: one attempt to make the call of a job, which somebody asked to hear of.

Here: `Run`, which run the present code belongs to. Not here: who makes runs and tells of them
(`_scheduling.runbook`, `executors._tracked`); the public names (`runs`), whose import says that somebody asks.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from copyreg import __newobj__  # type: ignore[attr-defined]
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rapscheduler._engine.ledger import Kept, RunCore
from rapscheduler._engine.ledger import new_run_id as new_run_id
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._states import DONE, RUNNING
from rapscheduler.errors import NoResultError, RunCancelledError

if TYPE_CHECKING:
    from concurrent.futures import Future

_who, _who_pid = "", 0


def this_process() -> str:
    """Who makes the runs of this process: ``host:pid``."""
    global _who, _who_pid
    pid = os.getpid()
    if _who_pid != pid:  # by the pid, as handlers of a fork don't run in every child (uWSGI)
        _who, _who_pid = f"{socket.gethostname()}:{pid}", pid
    return _who


def _utc(time_us: int | None) -> datetime | None:
    return None if time_us is None else moment(time_us, timezone.utc)


class Record(NamedTuple):
    """What a history keeps of a run that ended; times in microseconds."""

    id: str
    job_id: str
    jobstore: str | None
    attempt: int
    state: str
    scheduled_us: int
    started_us: int | None
    ended_us: int
    retry_us: int | None
    who: str
    error: str | None
    reason: str | None


def record_of(one: Record | Kept) -> Record:
    """The record of what a ledger has."""
    if isinstance(one, Record):
        return one
    assert one.ended_us is not None
    where = (one.id, one.job_id, one.jobstore, 1, DONE, one.scheduled_us)
    return Record(*where, one.started_us, one.ended_us, None, one.who, None, None)


def around(runs: Iterable[Record], run_id: str, count: int) -> list[Record]:
    """Of these records, in any order: `count` on each side of one at most, by id."""
    by_id = sorted(runs, key=lambda one: one.id)
    at = next((number for number, one in enumerate(by_id) if one.id >= run_id), len(by_id))
    return by_id[max(0, at - count) : at + count + 1]


_MOST_TEXT = 1000


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


_PICKLED = (
    "id job_id alias scheduled_us attempt state who started_us ended_us retry_us retval exception reason cancelled "
    "gave_up job _error"
).split()


class Run(RunCore):
    """One attempt to make the call of a job.

    :ivar str id: a UUIDv7, so that ids sort by time
    :ivar str job_id: the job
    :ivar str jobstore: the alias of its store
    :ivar int attempt: 1, or more for a retry
    :ivar str state: ``queued``, ``running``, or how it ended: ``done``, ``failed``, ``missed``, ``skipped``,
        ``timed_out``, ``cancelled``, ``lost``
    :ivar str who: who makes it, as ``host:pid``
    :ivar bool cancelled: whether it is to end: it took longer than its ``timeout``, or somebody called `cancel_run`
    :ivar bool gave_up: whether it failed and its ``retry`` allows no further attempt
    :ivar exception: what the job raised
    :ivar str error: the same as text; a run read from a history has only this
    :ivar str reason: why it was not made, or that its thread still runs
    """

    __slots__ = ()

    def __init__(
        self, job_id: str, alias: str | None, scheduled_us: int, attempt: int = 1, run_id: str | None = None
    ) -> None:
        super().__init__(job_id, alias, scheduled_us, attempt, run_id, this_process())

    @property
    def jobstore(self) -> str | None:
        return self.alias

    @property
    def scheduled_time(self) -> datetime:
        """When it was due (UTC)."""
        return moment(self.scheduled_us, timezone.utc)

    @property
    def started(self) -> datetime | None:
        """When the call began (UTC); None: it has not."""
        return _utc(self.started_us)

    @property
    def ended(self) -> datetime | None:
        """When it ended (UTC); None: it has not."""
        return _utc(self.ended_us)

    @property
    def retry_at(self) -> datetime | None:
        """When it is tried again (UTC); None: it is not."""
        return _utc(self.retry_us)

    @property
    def duration(self) -> float | None:
        """Seconds from the start of the call to its end."""
        if self.started_us is None or self.ended_us is None:
            return None
        return (self.ended_us - self.started_us) / SECOND_US

    @property
    def lateness(self) -> float | None:
        """Seconds from when it was due to the start of the call."""
        return None if self.started_us is None else (self.started_us - self.scheduled_us) / SECOND_US

    def check(self) -> None:
        """To be called by a job that runs for long: raises RunCancelledError when it is to end."""
        if self.cancelled:
            raise RunCancelledError(
                f"run {self.id} of job {self.job_id!r} is to end: {self.reason or 'cancelled'}"
            )

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end; what the job returned, or raised.

        :raises TimeoutError: it has not ended after `timeout` seconds
        :raises NoResultError: it was missed, skipped, cancelled or lost
        """
        if self.is_over:
            return self._outcome()
        from concurrent.futures import TimeoutError as NotYet

        try:
            return self._waiting().result(timeout)
        except NotYet:
            if self.is_over:
                raise
            raise TimeoutError(f"run {self.id} of job {self.job_id!r} is still {self.state}") from None

    def __await__(self) -> Generator[Any, Any, Any]:
        import asyncio

        return asyncio.wrap_future(self._waiting()).__await__()

    def end(self, state: str, ended_us: int, record: Callable[[Run], Any] | None = None) -> bool:
        """It has ended; False: it had already. Whoever waits for it goes on when `record` was called with it."""
        if not self._take_end(state, ended_us):
            return False
        if record is not None:
            record(self)
        future = self._close()
        self.job = self.stop = None
        if future is not None:
            self._settle(future)
        return True

    def _outcome(self) -> Any:
        if self.exception is not None:
            raise self.exception
        if self.state != DONE:
            raise NoResultError(
                f"run {self.id} of job {self.job_id!r} was {self.state}: {self.reason or 'no result'}"
            )
        return self.retval

    def _waiting(self) -> Future[Any]:
        from concurrent.futures import Future

        future: Future[Any]
        new: Future[Any] = Future()
        new.set_running_or_notify_cancel()  # whoever waits gives up waiting, not the run
        future, ended = self._wait_by(new)
        if ended:
            self._settle(future)
        return future

    def _settle(self, future: Future[Any]) -> None:
        if self.exception is not None:  # not raised here: its traceback is the job's
            future.set_exception(self.exception)
            return
        try:
            value = self._outcome()
        except NoResultError as exc:
            future.set_exception(exc)
        else:
            future.set_result(value)

    @property
    def error(self) -> str | None:
        """What the job raised, as text; None: nothing."""
        if self._error is None and self.exception is not None:
            try:
                self._error = f"{type(self.exception).__name__}: {self.exception}"
            except Exception:  # a broken __str__
                self._error = type(self.exception).__name__
        return self._error

    def record(self) -> Record:
        """What a history keeps of it."""
        assert self.ended_us is not None
        return Record(
            self.id,
            self.job_id,
            self.alias,
            self.attempt,
            self.state,
            self.scheduled_us,
            self.started_us,
            self.ended_us,
            self.retry_us,
            self.who,
            None if self.exception is None else _short(self.error),
            _short(self.reason),
        )

    @classmethod
    def of(cls, record: Record) -> Run:
        """The run of a record: without the value and the exception, but with its text, `error`."""
        run = cls(record.job_id, record.jobstore, record.scheduled_us, record.attempt, record.id)
        run.who, run._error, run.reason = record.who, record.error, record.reason
        run.started_us, run.retry_us = record.started_us, record.retry_us
        run._take_end(record.state, record.ended_us)
        run._close()
        return run

    def as_dict(self) -> dict[str, Any]:
        """What JSON can say of it; times are ISO texts (UTC)."""
        times = {name: getattr(self, name) for name in ("scheduled_time", "started", "ended", "retry_at")}
        return {
            "id": self.id,
            "job_id": self.job_id,
            "jobstore": self.alias,
            "attempt": self.attempt,
            "state": self.state,
            **{name: None if time is None else time.isoformat() for name, time in times.items()},
            "duration": self.duration,
            "who": self.who,
            "error": self.error,
            "reason": self.reason,
        }

    def __reduce__(self) -> tuple[Any, ...]:  # by each protocol; by the first two, a base in C would make it
        return __newobj__, (type(self),), self.__getstate__()

    def __getstate__(self) -> dict[str, Any]:
        return {"is_over": self.is_over, **{name: getattr(self, name) for name in _PICKLED}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Run.__init__(self, state["job_id"], state["alias"], state["scheduled_us"], run_id=state["id"])
        for name in _PICKLED:
            setattr(self, name, state[name])
        if state["is_over"]:
            self._take_end(self.state, state["ended_us"])
            self._close()

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.job_id!r} ({self.state})>"


def followed(kept: Kept) -> Run:
    """The run of what a ledger has: of one that is under way, or that ended."""
    run = Run(kept.job_id, kept.jobstore, kept.scheduled_us, run_id=kept.id)
    run.started_us, run.who = kept.started_us, kept.who
    if kept.ended_us is None:
        run.state = RUNNING
        task = None if kept.task is None else kept.task()
        if task is not None:
            run.stop = partial(task.get_loop().call_soon_threadsafe, task.cancel)
    else:
        run.end(DONE, kept.ended_us)
    return run


#: the run that the present code belongs to
current: ContextVar[Run | None] = ContextVar("rapscheduler_current_run", default=None)


def current_run() -> Run | None:
    """The run that called the present code; None: no run did."""
    return current.get()
