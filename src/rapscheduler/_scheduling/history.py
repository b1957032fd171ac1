"""What became of the runs: kept in memory, or written away in batches.

Here: the setting, the ring in memory, the writer thread, the questions. Not here: SQL and Redis
(`jobstores._history_sql`, `jobstores._history_redis`), how runs are made (`runbook`).

A run loop only appends to a list. A thread of the history's own writes what is there every `FLUSH_S`; what can't be
written is kept and tried again, `MOST_WAITING` runs at most: then the oldest are given up, and a log line says how
many. The thread ends when there is nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from rapscheduler._clock import SYSTEM
from rapscheduler._engine.ledger import Ledger
from rapscheduler._instants import SECOND_US, us_of
from rapscheduler._quoting import said
from rapscheduler._runs import Record, Run, around, record_of, this_process
from rapscheduler._states import RUN_STATES
from rapscheduler.errors import log_line
from rapscheduler.events import EVENT_SCHEDULER_SHUTDOWN

KEEP = 10_000
KEEP_DAYS = 30.0
FLUSH_S = 0.25
IDLE_ROUNDS = 8
SWEEP_S = 3600.0
MOST_WAITING = 200_000
MOST_AT_ONCE = 5000


class Place(Protocol):
    """Where records are written."""

    def write(self, records: list[Record]) -> None: ...

    def read(
        self, job_id: str | None, state: str | None, since_us: int | None, limit: int
    ) -> Iterable[Record]: ...

    def find(self, run_id: str) -> Record | None: ...

    def near(self, job_id: str, run_id: str, count: int) -> Iterable[Record]:
        """The runs of a job around one of them, `count` on each side at most, itself too; by id."""

    def count(self, job_id: str | None, since_us: int | None) -> dict[str, int]: ...

    def sweep(self, before_us: int) -> None: ...

    def leave_parent(self) -> None:
        """In a forked child: use no connection of the parent's."""


class MemoryPlace:
    """The latest runs: those that simply ran are put into `ledger` by the engine, the others by the run book; records
    are made when somebody reads them."""

    def __init__(self, keep: int, now_us: Callable[[], int] = SYSTEM.now_us) -> None:
        self.ledger = Ledger(keep, this_process(), now_us)

    def write(self, records: list[Record]) -> None:
        for record in records:
            self.ledger.add(record)

    def leave_parent(self) -> None:
        self.ledger.leave_parent(this_process())

    def _found(self, job_id: str | None, state: str | None, since_us: int | None) -> Iterable[Any]:
        for one in self.ledger.newest():
            if (
                job_id in (None, one.job_id)
                and state in (None, one.state)
                and (since_us is None or one.ended_us >= since_us)
            ):
                yield one

    def read(
        self, job_id: str | None, state: str | None, since_us: int | None, limit: int
    ) -> Iterable[Record]:
        found = islice(self._found(job_id, state, since_us), max(1, limit))
        return [record_of(one) for one in found]

    def find(self, run_id: str) -> Record | None:
        named = (one for one in self.ledger.newest() if isinstance(one, Record) or one.has_id)
        return next((record_of(one) for one in named if one.id == run_id), None)

    def near(self, job_id: str, run_id: str, count: int) -> Iterable[Record]:
        return around(map(record_of, self._found(job_id, None, None)), run_id, count)

    def count(self, job_id: str | None, since_us: int | None) -> dict[str, int]:
        return dict(Counter(record.state for record in self._found(job_id, None, since_us)))

    def sweep(self, before_us: int) -> None:
        """The ring is bounded by itself."""


class History:
    """`record` takes runs that ended; `_write_lock` is held while the place is written."""

    def __init__(
        self, scheduler: Any, find_place: Callable[[], Place], keep_days: float, direct: bool
    ) -> None:
        self._logger, self._now_us = scheduler._logger, scheduler._clock.now_us
        self._find_place, self._keep_us = find_place, round(keep_days * 86400 * SECOND_US)
        self._place: Place | None = None
        self._direct = direct
        self._waiting: list[Record] = []
        self._write_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._swept_s = 0.0
        self.lost = 0
        if direct:
            self._place = find_place()

    def leave_parent(self) -> None:
        """In a forked child: what waits is written by the parent, by its thread and its connections."""
        self._waiting, self._thread = [], None
        self._write_lock = threading.Lock()
        if self._place is not None:
            self._place.leave_parent()

    def record(self, run: Run) -> None:
        """A run has ended."""
        self._waiting.append(run.record())
        if self._thread is None or not self._thread.is_alive():
            self._begin()

    def _begin(self) -> None:
        with self._write_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name="rapscheduler-history", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        idle = 0
        while idle < IDLE_ROUNDS or not self._rests():
            time.sleep(FLUSH_S)
            idle += 1
            if self._waiting:
                idle = 0
                self.flush()

    def _rests(self) -> bool:
        """Whether the thread may end: whoever records something from now on begins another."""
        with self._write_lock:
            own, self._thread = self._thread, None
            if self._waiting:
                self._thread = own
            return self._thread is None

    def flush(self) -> bool:
        """Write what waits; False: it could not be written."""
        with self._write_lock:
            try:
                if self._place is None:
                    self._place = self._find_place()
                while self._waiting:
                    batch = self._waiting[:MOST_AT_ONCE]
                    self._place.write(batch)
                    del self._waiting[: len(batch)]
                now_s = time.monotonic()
                if not self._swept_s or now_s - self._swept_s > SWEEP_S:
                    self._swept_s = now_s
                    self._place.sweep(self._now_us() - self._keep_us)
            except Exception as exc:
                too_many = len(self._waiting) - MOST_WAITING
                if too_many > 0:
                    del self._waiting[:too_many]
                    self.lost += too_many
                log_line(
                    self._logger.warning,
                    "The history can't be written: %s -- %d runs wait, %d were given up",
                    said(exc),
                    len(self._waiting),
                    self.lost,
                )
                return False
            return True

    def read(self, job_id: str | None, state: str | None, since: datetime | None, limit: int) -> list[Run]:
        place = self.written()
        return [Run.of(record) for record in place.read(job_id, _state(state), _us(since), limit)]

    def count(self, job_id: str | None, since: datetime | None) -> dict[str, int]:
        return self.written().count(job_id, _us(since))

    def written(self) -> Place:
        """The place, with what waited."""
        if not self._direct:
            self.flush()
        if self._place is None:
            self._place = self._find_place()
        return self._place


def _state(state: str | None) -> str | None:
    if state is not None and state not in RUN_STATES:
        raise ValueError(f"state={state!r} is not understood: give one of {', '.join(RUN_STATES)}")
    return state


def _us(since: datetime | None) -> int | None:
    if since is None:
        return None
    if since.tzinfo is None:
        raise ValueError(f"since={since!r} has no time zone; give an aware datetime")
    return us_of(since)


def set_up(scheduler: Any, setting: Any) -> None:
    """Keep a history from now on, as the setting says; None: none."""
    from rapscheduler._scheduling.runbook import watch

    old = scheduler._history
    if old is not None:
        scheduler._watched.ledger = None
        if not old._direct:
            scheduler._watched.tracker.recorders.remove(old.record)
        scheduler._dispatcher.remove(old.told_end)
        scheduler._history = None
    if setting is not None:
        history = _made(scheduler, setting)
        history.told_end = lambda event: history.flush() if not history._direct else None
        scheduler._history = history
        book = scheduler._watched.made()  # here, so that no worker loads it for the first run that fails
        if history._direct:
            scheduler._watched.ledger = history.written().ledger
        else:
            book.recorders.append(history.record)
        scheduler._dispatcher.add(history.told_end, EVENT_SCHEDULER_SHUTDOWN)
    if setting is not None or old is not None:
        watch(scheduler)


def _made(scheduler: Any, setting: Any) -> Any:
    options = dict(setting) if isinstance(setting, Mapping) else {"place": setting}
    place = options.pop("place", "memory")
    keep, keep_days = options.pop("keep", KEEP), options.pop("keep_days", KEEP_DAYS)
    table = options.pop("tablename", None)
    if options:
        raise TypeError(
            f"history= has no option {', '.join(options)}; it has place, keep, keep_days and tablename"
        )
    if type(keep) is not int or keep <= 0:
        raise TypeError(f"keep must be a positive integer, got {keep!r}")
    if type(keep_days) not in (int, float) or not keep_days > 0:
        raise TypeError(f"keep_days must be a positive number, got {keep_days!r}")
    if place == "memory":
        return History(
            scheduler, lambda: MemoryPlace(keep, scheduler.home_of_executors().now_us), keep_days, True
        )
    if place == "jobstore":
        return History(scheduler, lambda: _of_store(scheduler, table, keep), keep_days, False)
    if isinstance(place, str) and place.startswith(("redis://", "rediss://", "unix://")):
        return History(scheduler, lambda: _redis(place, table, keep), keep_days, False)
    if isinstance(place, str) and "://" in place:
        return History(scheduler, lambda: _sql(place, table), keep_days, False)
    raise ValueError(
        f'history={setting!r} is not understood: give "memory", "jobstore", a URL of SQLAlchemy or Redis, or a mapping '
        "with place, keep, keep_days, tablename"
    )


def _sql(place: Any, table: str | None) -> Place:
    from rapscheduler.jobstores._history_sql import SqlPlace

    return SqlPlace(place, table or "rapscheduler_history")


def _redis(place: Any, key: str | None, keep: int) -> Place:
    from rapscheduler.jobstores._history_redis import RedisPlace

    return RedisPlace(place, key or "rapscheduler.history", keep)


def _of_store(scheduler: Any, table: str | None, keep: int) -> Place:
    store = scheduler._lookup_jobstore("default")
    if hasattr(store, "engine"):
        return _sql(store.engine, table or f"{store.jobs_t.name}_history")
    if hasattr(store, "redis"):
        return _redis(store.redis, table or f"{store.jobs_key}.history", keep)
    raise ValueError(
        f'history="jobstore" needs a store of SQLAlchemy or Redis, and the default one is a {type(store).__name__}; '
        'give "memory", or a URL'
    )
