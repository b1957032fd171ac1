"""What became of runs, in memory: those that simply ran cost a few numbers each.

Here: the ring of the latest runs (`Ledger`), what is kept there of a run of which nobody wants more (`Kept`), the ids
of runs. Not here: runs that somebody follows while they are under way (`_runs`), what is asked of a history
(`_scheduling.history`).
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from time import time_ns
from typing import Any, ClassVar

from rapscheduler._locks import KeptLock

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


class Watching:
    """Who keeps runs, as the engine has to know it; a scheduler's `Watched` adds the rest.

    `every`: somebody follows each run while it is under way; `ledger`: where it is kept what became of each, or None.
    """

    __slots__ = ("every", "ledger")

    def __init__(self) -> None:
        self.every = False
        self.ledger: Ledger | None = None
