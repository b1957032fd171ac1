"""A run: one attempt to make the call of a job, which somebody asked to hear of.

Here: `Run`, its states, its id, which run the present code belongs to. Not here: who makes runs and tells of them
(`_scheduling.runbook`, `executors._tracked`); the public names (`runs`), whose import says that somebody asks.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rapscheduler._engine.ledger import Kept, id_of, new_turn
from rapscheduler._engine.ledger import new_run_id as new_run_id
from rapscheduler._instants import SECOND_US, moment
from rapscheduler._locks import KeptLock
from rapscheduler._states import DONE, QUEUED, RUNNING
from rapscheduler.errors import NoResultError, RunCancelledError

if TYPE_CHECKING:
    from concurrent.futures import Future

_lock = KeptLock()
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


class Run:
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
    :ivar str error: the same as text; a run read from a history has only this
    :ivar exception: what the job raised
    :ivar str reason: why it was not made, or that its thread still runs
    """

    __slots__ = (
        "_end",
        "_ending",
        "_error",
        "_future",
        "_id",
        "_turn",
        "alias",
        "attempt",
        "cancelled",
        "ended_us",
        "exception",
        "gave_up",
        "job",
        "job_id",
        "reason",
        "retry_us",
        "retval",
        "scheduled_us",
        "started_us",
        "state",
        "stop",
        "who",
    )

    def __init__(
        self, job_id: str, alias: str | None, scheduled_us: int, attempt: int = 1, run_id: str | None = None
    ) -> None:
        self._id = run_id
        self._turn = 0 if run_id else new_turn()  # the text is made when somebody asks for it
        self.job_id = job_id
        self.alias = alias
        self.scheduled_us = scheduled_us
        self.attempt = attempt
        self.state = QUEUED
        self.who = this_process()
        self.started_us: int | None = None
        self.ended_us: int | None = None
        self.retry_us: int | None = None
        self.retval: Any = None
        self.exception: BaseException | None = None
        self.reason: str | None = None
        self.cancelled = self.gave_up = False
        self.job: Any = None  # while it is under way
        self.stop: Callable[[], Any] | None = None  # interrupts it, where that can be done
        self._future: Future[Any] | None = None
        self._end = self._ending = False
        self._error: str | None = None

    @property
    def id(self) -> str:
        return self._id or self._named()

    @id.setter
    def id(self, run_id: str) -> None:
        self._id = run_id

    def _named(self) -> str:
        with _lock:
            if not self._id:
                self._id = id_of(self._turn)
            return self._id

    @property
    def has_id(self) -> bool:
        """Whether somebody may know its id, as it was asked for."""
        return bool(self._id)

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
        if self._end:
            return self._outcome()
        from concurrent.futures import TimeoutError as NotYet

        try:
            return self._waiting().result(timeout)
        except NotYet:
            if self._end:
                raise
            raise TimeoutError(f"run {self.id} of job {self.job_id!r} is still {self.state}") from None

    def __await__(self) -> Generator[Any, Any, Any]:
        import asyncio

        return asyncio.wrap_future(self._waiting()).__await__()

    def end(self, state: str, ended_us: int, record: Callable[[Run], Any] | None = None) -> bool:
        """It has ended; False: it had already. Whoever waits for it goes on when `record` was called with it."""
        with _lock:
            if self._ending:
                return False
            self._ending = True
            self.state, self.ended_us = state, ended_us
        if record is not None:
            record(self)
        with _lock:
            self._end = True
            future = self._future
        self.job = self.stop = None
        if future is not None:
            self._settle(future)
        return True

    @property
    def is_over(self) -> bool:
        return self._end

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

        with _lock:
            future = self._future
            if future is None:
                future = self._future = Future()
                future.set_running_or_notify_cancel()  # whoever waits gives up waiting, not the run
            elif not self._end:
                return future
        if self._end and not future.done():
            self._settle(future)
        return future

    def _settle(self, future: Future[Any]) -> None:
        try:
            value = self._outcome()
        except BaseException as exc:
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
        run.state, run.who, run._error, run.reason = record.state, record.who, record.error, record.reason
        run.started_us, run.ended_us, run.retry_us = record.started_us, record.ended_us, record.retry_us
        run._end = run._ending = True
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
