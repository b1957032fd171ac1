"""What became of runs, in memory: those that simply ran cost a few numbers each.

Here: the ring of the latest runs (`Ledger`), what is kept there of a run of which nobody wants more (`Kept`), the ids
of runs; what the engine has to know of a run that somebody follows (`RunCore`), and what is around its call (`Around`).
Not here: what users ask of such a run (`_runs`), what is asked of a history (`_scheduling.history`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, Any, ClassVar

from rapscheduler._locks import KeptLock

if TYPE_CHECKING:
    from contextvars import ContextVar

_lock = KeptLock()
_last_ticks = 0


def new_turn() -> int:
    """The turn of an id among those of this process: 1/4096 ms since the epoch, the first that no other one has."""
    global _last_ticks
    ticks = time_ns() * 4096 // 1_000_000
    with _lock:
        _last_ticks = ticks = max(ticks, _last_ticks + 1)
    return ticks


def id_of(turn: int) -> str:
    """An id that has this turn, with another random part for each call."""
    chance = urandom(8).hex()
    digits = f"{turn >> 12:012x}7{turn & 0xFFF:03x}{0x8 | int(chance[0], 16) & 0x3:x}{chance[1:]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_run_id() -> str:
    """A UUIDv7 as text: ids that one process makes sort by time, also within a millisecond (RFC 9562, method 3)."""
    return id_of(new_turn())


class Kept:
    """A run that simply ran, or is under way, under the names of a history's records.

    `id`: its turn among the ids of this process is taken when it begins; the text is made when somebody asks, so that
    of a run whose `has_id` is false nobody knows it. `run`: who has more of it, since `Ledger.adopt`. `task`: a weak
    reference to that of a coroutine that is under way. Times in microseconds.
    """

    state: ClassVar[str] = "done"
    attempt: ClassVar[int] = 1
    retry_us: ClassVar[None] = None
    error: ClassVar[None] = None
    reason: ClassVar[None] = None

    __slots__ = (
        "_id",
        "_turn",
        "ended_us",
        "job_id",
        "jobstore",
        "run",
        "scheduled_us",
        "started_us",
        "task",
        "who",
    )

    def __init__(
        self, job_id: str, jobstore: str | None, who: str, scheduled_us: int, started_us: int
    ) -> None:
        self.job_id = job_id
        self.jobstore = jobstore
        self.who = who
        self.scheduled_us = scheduled_us
        self.started_us = started_us
        self.ended_us: int | None = None
        self.run: Any = None
        self.task: Any = None
        self._turn = new_turn()
        self._id: str | None = None

    @property
    def id(self) -> str:
        return self._id or self._named()

    def _named(self) -> str:
        with _lock:
            if self._id is None:
                self._id = id_of(self._turn)
            return self._id

    @property
    def has_id(self) -> bool:
        return self._id is not None


class Ledger:
    """The latest runs, and those under way of which nobody keeps more. Every method is atomic.

    :param keep: the most that are kept; then the oldest gives way
    :param who: who makes the runs
    :param now_us: the clock that says when runs begin and end
    """

    __slots__ = ("_lock", "_now_us", "_oldest", "_open", "_ring", "keep", "who")

    def __init__(self, keep: int, who: str, now_us: Callable[[], int]) -> None:
        if keep < 1:
            raise ValueError(f"keep={keep} leaves no place for a run; give 1 or more")
        self.keep = keep
        self.who = who
        self._now_us = now_us
        self._ring: list[Any] = []
        self._oldest = 0
        self._open: set[Kept] = set()
        self._lock = KeptLock()

    def _begun(self, job_id: str, jobstore: str | None, scheduled_us: int, started_us: int | None) -> Kept:
        """A run that begins; the run loops of quick runs call it (`running`). `started_us`: now, if it is known."""
        if started_us is None:
            started_us = self._now_us()
        kept = Kept(job_id, jobstore, self.who, scheduled_us, started_us)
        with self._lock:
            self._open.add(kept)
        return kept

    def end(self, kept: Kept) -> bool:
        """It simply ran, and is kept. False: it was adopted, and whoever did has to be told."""
        ended_us = self._now_us()
        with self._lock:
            if kept.run is not None:
                return False
            kept.ended_us, kept.task = ended_us, None
            self._open.discard(kept)
            self._put(kept)
        return True

    def adopt(self, kept: Kept, run: Any) -> Any:
        """Somebody keeps more of one that is under way: its end is theirs from now on. Who has it: `run`, whoever was
        first, or None: it has ended."""
        with self._lock:
            if kept.run is None and kept.ended_us is None:
                kept.run = run
                self._open.discard(kept)
            return kept.run

    def drop(self, kept: Kept) -> None:
        """Nobody will tell its end here."""
        with self._lock:
            self._open.discard(kept)

    def add(self, one: Any) -> None:
        """What became of a run that was kept elsewhere."""
        with self._lock:
            self._put(one)

    def _put(self, one: Any) -> None:
        if len(self._ring) < self.keep:
            self._ring.append(one)
        else:
            self._ring[self._oldest] = one
            self._oldest = (self._oldest + 1) % self.keep

    def newest(self) -> list[Any]:
        """What is kept, the latest first."""
        with self._lock:
            return (self._ring[self._oldest :] + self._ring[: self._oldest])[::-1]

    def under_way(self) -> list[Kept]:
        """Those that were begun and have not ended, nor were adopted."""
        with self._lock:
            return list(self._open)

    def leave_parent(self, who: str) -> None:
        """In a forked child: what was under way is the parent's, and so is the lock. Where the fork was made in C
        (uWSGI), nobody waited for it to be free, and whoever holds it is not here to give it back."""
        self._lock = KeptLock()
        self._open = set()
        self.who = who

    def __len__(self) -> int:
        return len(self._ring)


class RunCore:
    """What the engine has to know of a run that somebody follows; `_runs.Run` adds what users ask of it.

    Its end is said once (`_take_end`), recorded, and then told to those who wait (`_close`); each of these steps, and
    `_wait_by`, is atomic. `id`: as that of `Kept`; of a run that a ledger keeps it is one id, whoever is asked.
    """

    __slots__ = (
        "_ending",
        "_error",
        "_future",
        "_id",
        "_kept",
        "_turn",
        "alias",
        "attempt",
        "cancelled",
        "ended_us",
        "exception",
        "gave_up",
        "is_over",
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
        self, job_id: str, alias: str | None, scheduled_us: int, attempt: int, run_id: str | None, who: str
    ) -> None:
        self._id = run_id
        self._turn = 0 if run_id else new_turn()
        self._kept: Kept | None = None  # what a ledger has of it
        self.job_id = job_id
        self.alias = alias
        self.scheduled_us = scheduled_us
        self.attempt = attempt
        self.state = "queued"
        self.who = who
        self.started_us: int | None = None
        self.ended_us: int | None = None
        self.retry_us: int | None = None
        self.retval: Any = None
        self.exception: BaseException | None = None
        self.reason: str | None = None
        self.cancelled = self.gave_up = False
        self.job: Any = None  # while it is under way
        self.stop: Callable[[], Any] | None = None  # interrupts it, where that can be done
        self.is_over = self._ending = False
        self._future: Any = None
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
                if self._kept is not None:  # they have one id
                    self._id = self._kept._id = self._kept._id or self._id
            return self._id

    @property
    def has_id(self) -> bool:
        """Whether somebody may know its id, as it was asked for."""
        return bool(self._id) or (self._kept is not None and self._kept.has_id)

    def _take_end(self, state: str, ended_us: int) -> bool:
        """Say how it ended; False: somebody has."""
        with _lock:
            if self._ending:
                return False
            self._ending = True
            self.state, self.ended_us = state, ended_us
        return True

    def _close(self) -> Any:
        """Its end is recorded. Gives what whoever waits for it waits for, to be settled; None: nobody does."""
        with _lock:
            self.is_over = True
            return self._future

    def _wait_by(self, future: Any) -> tuple[Any, bool]:
        """What whoever waits for it waits for: this, or what somebody gave before; and whether it is to be settled by
        the caller, for it has ended."""
        with _lock:
            if self._future is not None:
                return self._future, False
            self._future = future
            return future, self.is_over

    def _settle(self, future: Any) -> None:
        """Give its outcome to those who wait."""
        raise NotImplementedError


class Around:
    """What is around the call of each run, while that is plain functions, and nothing else is wanted of runs.

    :param functions: the middleware, the outermost first; each is called with the run and what makes its call
    :param run_type: what a run is, a `RunCore`
    :param current: the run that the present code belongs to
    :param live: the runs under way
    :param who: who makes them
    """

    __slots__ = ("_current", "_live", "_run_type", "_who", "functions")

    def __init__(
        self,
        functions: tuple[Callable[[Any, Callable[[], Any]], Any], ...],
        run_type: type,
        current: ContextVar[Any],
        live: set[Any],
        who: str,
    ) -> None:
        if not functions or not issubclass(run_type, RunCore):
            raise TypeError(f"middleware around runs of {run_type!r}: {functions!r}")
        self.functions = functions
        self._run_type = run_type
        self._current = current
        self._live = live
        self._who = who

    def _may_begin(self) -> bool:
        """Not where a run may be in a greenlet, which can be interrupted: that is seen to elsewhere."""
        return "gevent" not in sys.modules

    def _begun(self, job: Any, alias: str | None, scheduled_us: int, started_us: int) -> Any:
        """A run that begins."""
        run: Any = self._run_type.__new__(self._run_type)
        RunCore.__init__(run, job.id, alias, scheduled_us, 1, None, self._who)
        run.job, run.state, run.started_us = job, "running", started_us
        self._live.add(run)
        return run

    def _made(self, run: Any, call: Callable[[], Any]) -> Any:
        """The value of a call, by way of what is around it."""
        for around in self.functions[:0:-1]:
            call = partial(around, run, call)
        token = self._current.set(run)
        try:
            return self.functions[0](run, call)
        finally:
            self._current.reset(token)
            del run, call  # what is raised holds this frame, and the run holds that

    def _ended(self, run: Any, value: Any, ledger: Ledger | None, ended_us: int) -> bool:
        """It simply ran; False: how it ended was said elsewhere."""
        self._live.discard(run)
        if not run._take_end("done", ended_us):
            return False
        run.retval = value
        if ledger is not None:
            kept = Kept(run.job_id, run.alias, run.who, run.scheduled_us, run.started_us)
            with _lock:
                kept.ended_us, kept._turn, kept._id = ended_us, run._turn, run._id
                run._kept = kept
            ledger.add(kept)
        future = run._close()
        run.job = run.stop = None
        if future is not None:
            run._settle(future)
        return True


class Watching:
    """Who keeps runs, as the engine has to know it; a scheduler's `Watched` adds the rest.

    `every`: somebody follows each run while it is under way; `ledger`: where it is kept what became of each, or None;
    `around`: what is around the call of each, or None.
    """

    __slots__ = ("around", "every", "ledger")

    def __init__(self) -> None:
        self.every = False
        self.ledger: Ledger | None = None
        self.around: Around | None = None
