"""A shelf: a job store with all that the scheduler knows of it.

Here: `Shelf`, the table of shelves, and how a store is called that does not bring the loop's calls, or on which
somebody has put methods of his own. Not here: what the loop does, what is written (`storing`).

Whether a store is called under a lock, and through which methods, is asked here and nowhere else: by its class
attribute `calls_may_overlap` when it is put on its shelf, and by a look at the object itself at each pass and change,
because a wrapper or a mock may replace public methods of a store at any time. A method that somebody puts into a class
of ours is not looked for: replace it on the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from threading import get_ident

from rapscheduler._clock import Clock
from rapscheduler._engine.planning import Change
from rapscheduler._hints import Any
from rapscheduler._scheduling.foreign import Walk
from rapscheduler.jobstores.base import STANDS_FOR, BaseJobStore

_NO_LOCK: AbstractContextManager[None] = nullcontext()
_PUBLIC = frozenset(name for publics in STANDS_FOR.values() for name in publics)


class Shelf:
    """One store.

    `changing`: held by who reads a job, changes it and writes it back, for this store only, so that a store which hangs
    keeps nobody from changing jobs of another; `lock`: held around each call, the same lock, or none if `overlaps` (its
    calls may overlap); `calls`: the store, or what makes the loop's calls to it; `unsettled`: changes it did not take,
    by job id; `deferred`: run time and retry time of jobs that could not be submitted, by job id, for a store that
    can't leave them out itself; `walks`: how far the missed times of third-party triggers were walked, by job id;
    `retry_at_s`: when to ask it again after an error (monotonic); `taken_at_us`: when it was asked for due jobs last;
    `took`: whether this pass got anything from it; `door`: `lock` as a pass takes it, see `Door`; `hangs_since_us`:
    when the call began that has not returned yet, of a store that hangs; `writing`: the changes that it is asked to
    write just now; `counts`: how many runs have begun, to be written with the next change of a job, by its id
    (`max_runs`).
    """

    __slots__ = (
        "_attribute_count",
        "_attributes",
        "alias",
        "answers_at_once",
        "calls",
        "changing",
        "counts",
        "deferred",
        "door",
        "hang_said_s",
        "hangs_since_us",
        "lock",
        "overlaps",
        "patched",
        "question",
        "retry_at_s",
        "store",
        "taken_at_us",
        "took",
        "turn",
        "unsettled",
        "walks",
        "writing",
    )

    def __init__(self, alias: str, store: Any, lock: AbstractContextManager[Any], turn: Turn) -> None:
        self.alias = alias
        self.store = store
        self.changing = lock
        self.turn = turn
        self.answers_at_once = bool(getattr(store, "answers_at_once", False))
        self.hangs_since_us: int | None = None
        self.hang_said_s: float | None = None
        self.question: Any = None
        self.writing: Sequence[Change] = ()
        self.patched: frozenset[str] = frozenset()
        self._attributes: dict[str, Any] = getattr(store, "__dict__", {})
        self._attribute_count = -1
        self._choose_calls()
        self.look()
        self._forget()

    def _forget(self) -> None:
        self.unsettled: dict[str, Change] = {}
        self.counts: dict[str, int] = {}
        self.deferred: dict[str, tuple[int | None, int]] = {}
        self.walks: dict[str, Walk] = {}
        self.retry_at_s: float | None = None
        self.taken_at_us = 0
        self.took = False

    def _choose_calls(self) -> None:
        self.overlaps = not self.patched and getattr(type(self.store), "calls_may_overlap", False)
        self.lock: AbstractContextManager[Any] = _NO_LOCK if self.overlaps else self.changing
        self.door: AbstractContextManager[Any] = self.lock if self.answers_at_once else Door(self)
        if not isinstance(self.store, BaseJobStore):
            self.calls: Any = _BorrowedStore(self.store)
        elif self.patched:
            self.calls = _PatchedStore(self.store, self.patched)
        else:
            self.calls = self.store

    def leave_parent(self, lock: AbstractContextManager[Any]) -> None:
        """In a forked child: what is to be written or tried again is the parent's to do."""
        self.changing = lock
        self._choose_calls()
        self._forget()

    def look(self) -> None:
        """See whether public methods of the store were replaced on the object since the last look."""
        own = self._attributes
        if len(own) == self._attribute_count and not self.patched:
            return  # a replaced method is one attribute more
        self._attribute_count = len(own)
        patched = _PUBLIC & own.keys()
        if patched != self.patched:
            self.patched = patched
            self._choose_calls()

    def back_off(self, scheduler: Any) -> None:
        """It raised: leave it alone for a while."""
        self.retry_at_s = scheduler._clock.monotonic() + scheduler.jobstore_retry_interval

    def is_resting(self, clock: Clock) -> bool:
        """Whether it raised a short while ago, and is left alone still."""
        return self.retry_at_s is not None and clock.monotonic() < self.retry_at_s

    def is_settled(self) -> bool:
        """Whether nothing is left to do with this store but what comes due in it."""
        return self.retry_at_s is None and not self.unsettled and not self.deferred

    def is_deferred(self, job: Any) -> bool:
        """Whether a due job waits for its next try."""
        entry = self.deferred.get(job.id)
        return entry is not None and entry[0] == job.run_at_us

    def end_deferments(self, now_us: int, longest_us: int) -> None:
        """Forget what may be tried again; a clock that was set back must not prolong a wait beyond the longest."""
        if self.deferred:
            latest_us = now_us + longest_us
            self.deferred = {
                job_id: entry for job_id, entry in self.deferred.items() if now_us < entry[1] <= latest_us
            }


class Turn:
    """Whose turn it is: the watch of the thread that makes a pass now (None: nobody watches)."""

    __slots__ = ("watch",)

    def __init__(self) -> None:
        self.watch: Any = None


class Door:
    """The lock of a shelf; a pass that takes it tells its watch that a call to the store begins, and when it ends."""

    __slots__ = ("_lock", "_shelf", "_turn", "_watch")

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = shelf.lock
        self._turn = shelf.turn
        self._watch: Any = None  # of the pass that is inside

    def __enter__(self) -> None:
        watch = self._turn.watch
        if watch is None or watch.ident != get_ident():
            self._lock.__enter__()
            return
        self._watch = watch
        watch.call_begins(self._shelf)
        try:
            self._lock.__enter__()
        except BaseException:
            watch.call_ended()
            raise

    def __exit__(self, *exc: Any) -> None:
        self._lock.__exit__(*exc)
        watch = self._watch
        # Else another pass than ours, or none, is inside.
        if watch is not None and watch.ident == get_ident():
            self._watch = None
            watch.call_ended()


class Shelves:
    """The shelves of a scheduler, in step with its table of stores (alias -> store), which other packages write too."""

    def __init__(self, stores: dict[str, Any], create_lock: Callable[[], Any]) -> None:
        self._stores = stores
        self._create_lock = create_lock
        self._lock = create_lock()
        self.turn = Turn()
        self._shelves: dict[str, Shelf] = {}
        self._seen: dict[str, Any] = {}  # the table of stores as it was when `_all` was made
        self._all: tuple[Shelf, ...] = ()

    def forget_calls(self) -> None:
        """In a forked child: the calls that were under way in the parent never end here."""
        self.turn.watch = None
        for shelf in self._shelves.values():
            shelf.hangs_since_us = shelf.question = None

    def of(self, alias: str, store: Any) -> Shelf:
        """The shelf of a store, which a scheduler class may have found elsewhere than in the table."""
        shelf = self._shelves.get(alias)
        if shelf is not None and shelf.store is store:
            return shelf
        return self._put(alias, store) if self._stores.get(alias) is store else self._new(alias, store)

    def all(self) -> tuple[Shelf, ...]:
        """Every shelf, in the order of the stores; a store that was replaced starts afresh."""
        return self._all if self._stores == self._seen else self._brought_up_to_date()

    def leave_parent(self) -> None:
        """In a forked child: new locks; a store under two aliases keeps having one."""
        self._lock = self._create_lock()
        locks: dict[int, Any] = {}
        for shelf in self._shelves.values():
            shelf.leave_parent(locks.setdefault(id(shelf.store), self._create_lock()))

    def _brought_up_to_date(self) -> tuple[Shelf, ...]:
        with self._lock:
            stores = dict(self._stores)
            shelves = tuple(self.of(alias, store) for alias, store in stores.items())
            self._shelves = {shelf.alias: shelf for shelf in shelves}
            self._seen, self._all = stores, shelves
            return shelves

    def _put(self, alias: str, store: Any) -> Shelf:
        with self._lock:
            shelf = self._shelves.get(alias)
            if shelf is None or shelf.store is not store:
                shelf = self._shelves[alias] = self._new(alias, store)
            return shelf

    def _new(self, alias: str, store: Any) -> Shelf:
        """A new shelf; a store under two aliases has one lock."""
        same = next((one for one in list(self._shelves.values()) if one.store is store), None)
        return Shelf(alias, store, self._create_lock() if same is None else same.changing, self.turn)


class _PatchedStore:
    """A store of our family on which public methods were replaced: what would bypass these goes through them."""

    def __init__(self, store: BaseJobStore, patched: frozenset[str]) -> None:
        self._store = store
        self._through = {name for name, publics in STANDS_FOR.items() if not patched.isdisjoint(publics)}

    def __getattr__(self, name: str) -> Any:
        if name in self._through:
            plain = BaseJobStore.__dict__[name]
            return plain.__get__(self._store) if callable(plain) else plain
        return getattr(self._store, name)


class _BorrowedStore(BaseJobStore):
    """A store that has APScheduler's methods and is not of our family: the loop's calls go through those."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def lookup_job(self, job_id: str) -> Any:
        return self._store.lookup_job(job_id)

    def get_due_jobs(self, now: datetime) -> Any:
        return self._store.get_due_jobs(now)

    def get_next_run_time(self) -> Any:
        return self._store.get_next_run_time()

    def get_all_jobs(self) -> Any:
        return self._store.get_all_jobs()

    def add_job(self, job: Any) -> None:
        self._store.add_job(job)

    def update_job(self, job: Any) -> None:
        self._store.update_job(job)

    def remove_job(self, job_id: str) -> None:
        self._store.remove_job(job_id)

    def remove_all_jobs(self) -> None:
        self._store.remove_all_jobs()
