"""What is due next: entries ordered by their time, then by the order in which they were put there.

Here: `DueEntry` (the part of a job that an index needs) and `DueIndex`. Not here: any rule of scheduling.
Approach of this twin: a SortedList of keys `(run_at_us, tie, entry)`; the entry remembers its key.

The key is the index's own: changing `entry.run_at_us` moves nothing until `update` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, TypeVar, cast

from sortedcontainers import SortedList

from rapscheduler._locks import KeptLock
from rapscheduler._reference._instants import NEVER_US

Self = TypeVar("Self", bound="DueEntry")
Entry = TypeVar("Entry", bound="DueEntry")
F = TypeVar("F", bound=Callable[..., Any])

UNSET = -(2**63)  # run_at_us of an entry that never had a time (a job not yet scheduled)
MIN_KEY = UNSET + 1
MAX_KEY = NEVER_US - 1


def _key_us(run_at_us: Any) -> int:
    if not isinstance(run_at_us, int):
        raise TypeError(f"run_at_us must be an int (microseconds), not {type(run_at_us).__name__}")
    if not MIN_KEY <= run_at_us <= MAX_KEY:
        raise OverflowError(f"run_at_us={run_at_us} does not fit into 64 bits")
    return run_at_us


def _atomic(method: F) -> F:
    """A method of an index that other threads see done or not begun (the compiled twin needs no lock for that)."""

    @wraps(method)
    def locked(self: Any, *args: Any) -> Any:
        with self._lock:
            return method(self, *args)

    return cast(F, locked)


class DueEntry:
    """Something that can be due: `run_at_us` (int64, `None` for no time) and its place in one index."""

    __slots__ = ("_key", "_run_us")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __new__(cls: type[Self], *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._run_us = UNSET
        self._key = None
        return self

    _run_us: int
    _key: tuple[int, int, DueEntry] | None

    @property
    def run_at_us(self) -> int | None:
        """When it is due, or `None`."""
        return None if self._run_us in (UNSET, NEVER_US) else self._run_us

    @run_at_us.setter
    def run_at_us(self, run_at_us: int | None) -> None:
        self._run_us = NEVER_US if run_at_us is None else _key_us(run_at_us)


class DueIndex(Generic[Entry]):
    """A priority queue of entries. An entry is in one index at most, and once.

    Invariant: `_keys` holds exactly the keys that its entries remember; ties grow with every push and update.
    """

    __slots__ = ("_keys", "_lock", "_tie")

    def __init__(self) -> None:
        self._keys: SortedList = SortedList()
        self._tie = 0
        self._lock = KeptLock()

    def _insert(self, entry: Entry, key_us: int) -> None:
        self._tie += 1
        entry._key = (key_us, self._tie, entry)
        self._keys.add(entry._key)

    @_atomic
    def push(self, entry: Entry, run_at_us: int) -> None:
        """Put an entry in. ValueError: it is in an index already (use `update`)."""
        key_us = _key_us(run_at_us)
        if entry._key is not None:
            raise ValueError("the entry is in an index already; move it with update()")
        self._insert(entry, key_us)

    @_atomic
    def update(self, entry: Entry, run_at_us: int) -> None:
        """Move an entry, or put it in when it is not there."""
        key_us = _key_us(run_at_us)
        self.discard(entry)
        self.push(entry, key_us)

    @_atomic
    def discard(self, entry: Entry) -> bool:
        """Take an entry out; `False` when it was not there."""
        if entry not in self:
            return False
        self._keys.remove(entry._key)
        entry._key = None
        return True

    @_atomic
    def peek(self) -> tuple[int, Entry] | None:
        """The earliest `(run_at_us, entry)`, or `None`."""
        if not self._keys:
            return None
        key_us, _, entry = self._keys[0]
        return key_us, entry

    @_atomic
    def first(self, limit: int) -> list[Entry]:
        """The earliest entries, at most `limit` of them, in the order in which `pop_due` would take them out."""
        return [key[2] for key in self._keys.islice(0, max(limit, 0))]

    @_atomic
    def pop_due(self, now_us: int, limit: int) -> list[Entry]:
        """Take out, in order, at most `limit` entries due at `now_us` or before."""
        now_us = max(MIN_KEY, min(now_us, MAX_KEY))
        due: list[Entry] = []
        while self._keys and len(due) < limit and self._keys[0][0] <= now_us:
            entry: Entry = self._keys.pop(0)[2]
            entry._key = None
            due.append(entry)
        return due

    @_atomic
    def count_due(self, now_us: int) -> int:
        """How many entries are due at `now_us` or before."""
        return sum(1 for key in self._keys.irange(maximum=(min(now_us, MAX_KEY), float("inf"))))

    @_atomic
    def clear(self) -> None:
        """Take everything out."""
        for key in self._keys:
            key[2]._key = None
        self._keys.clear()

    def __len__(self) -> int:
        return len(self._keys)

    @_atomic
    def __contains__(self, entry: object) -> bool:
        if not isinstance(entry, DueEntry) or entry._key is None:
            return False
        position = self._keys.bisect_left(entry._key[:2])
        return position < len(self._keys) and self._keys[position] is entry._key

    @_atomic
    def _check(self) -> None:
        """AssertionError: an invariant is broken."""
        assert [key[:2] for key in self._keys] == sorted(key[:2] for key in self._keys)
        for key in self._keys:
            assert key[2]._key is key
        assert len({id(key[2]) for key in self._keys}) == len(self._keys)
