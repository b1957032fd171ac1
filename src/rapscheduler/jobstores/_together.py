"""Adds that share a commit: what several threads add to one store at once is written together.

Here: `AddsTogether`, who writes for whom. Not here: how rows are written (`_insert` of the store); `add_jobs`.

At most `_writes_at_once` adds write at a time. Who finds a write free makes it at once, alone: nobody waits for others
to come. Who finds none queues up. When a write ends, the first of the queue takes all that wait there, one row of each
id, and writes them in one `_insert`, which is all or none. So:

- each call returns when its own row is committed, or raises its own error in its own thread;
- an id that is taken costs its own call only: the others are written again without it;
- whatever else a batch fails by, each of it writes its row by itself, as if there had been no batch;
- whoever waits for longer than `_PATIENCE_S` (a write hangs behind a lock of the database) makes a write of its own;
- a call from inside of another one of the same thread (a signal handler, a greenlet) never waits;
- an interrupt may come anywhere: whoever it left behind sees that after `_PATIENCE_S`, and a write is never lost.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from os import getpid
from threading import Lock, get_ident
from typing import Any

from .._serialization.rows import JobRow
from ..errors import ConflictingIdError

_PATIENCE_S = 1.0
_MOST = 500  # rows of a batch

# What became of a row that waited
_WRITTEN, _TAKEN, _NOT_WRITTEN, _UNKNOWN = range(4)


class _Waiting:
    """A row that waits. `turn` is let go of when it leads the next batch, or when `outcome` is what became of it."""

    __slots__ = ("leads", "outcome", "over", "row", "thread", "turn", "writer")

    def __init__(self, row: JobRow) -> None:
        self.row = row
        self.thread = get_ident()
        self.leads = False
        self.over = False  # it has led a batch
        self.writer: _Waiting | None = None  # who leads the batch that it is in
        self.outcome = _UNKNOWN
        self.turn = Lock()
        self.turn.acquire()


class _Line:
    """Who writes and who waits, in one process."""

    __slots__ = ("inside", "lock", "pid", "queue", "writes", "writing")

    def __init__(self, writes: int) -> None:
        self.pid = getpid()
        self.lock = Lock()  # for moments
        self.writes = writes
        self.writing: set[int] = set()  # threads that have one of so many writes
        self.queue: deque[_Waiting] = deque()
        self.inside: set[int] = set()  # threads that write or wait

    def enter(self, row: JobRow) -> _Waiting | None:
        """None: this thread may write."""
        me = get_ident()
        with self.lock:
            self.writing.discard(me)  # an interrupt left it there
            if len(self.writing) < self.writes:
                self.writing.add(me)
                return None
            mine = _Waiting(row)
            self.queue.append(mine)
            return mine

    def pass_on(self) -> None:
        """A write has ended: the next one belongs to the first who waits."""
        with self.lock:
            self.writing.discard(get_ident())
            if self.queue and len(self.writing) < self.writes:
                first = self.queue.popleft()
                self.writing.add(first.thread)
                first.leads = True
                first.turn.release()

    def batch_of(self, first: _Waiting) -> list[_Waiting]:
        """What is written with this one; a second row of one id stays in the queue."""
        batch, ids = [first], {first.row.id}
        with self.lock:
            left = deque[_Waiting]()
            for one in self.queue:
                if one.row.id in ids or len(batch) == _MOST:
                    left.append(one)
                else:
                    ids.add(one.row.id)
                    batch.append(one)
                    one.writer = first
            self.queue = left
        return batch

    def leave(self, one: _Waiting) -> bool:
        """Whether it was in the queue still."""
        with self.lock:
            if one not in self.queue:
                return False
            self.queue.remove(one)
            return True

    def left_behind(self, one: _Waiting) -> bool:
        """Whether what waited for long waits for nobody: it has left the queue now, or an interrupt came between."""
        with self.lock:
            self.writing &= self.inside
            if one in self.queue:
                self.queue.remove(one)
            elif one.leads:
                return True
            elif one.writer is not None:
                return one.writer.over
            one.outcome = _NOT_WRITTEN
            return True


class AddsTogether:
    """A part of `RowStore`."""

    #: how many adds may write at a time, in a store whose `_insert` nobody sees half done; None: each writes by itself
    _writes_at_once: int | None = None

    _insert: Any
    _read: Any
    _already_written: Any
    _line: _Line | None = None

    def _insert_one(self, row: JobRow) -> None:
        """`_insert` of one row, together with those that other threads add meanwhile."""
        writes = self._writes_at_once
        if writes is None:
            self._insert([row])
            return
        line = self._line
        if line is None or line.pid != getpid():
            line = self._line = _Line(writes)
        me = get_ident()
        if me in line.inside:
            self._insert([row])
            return
        line.inside.add(me)
        try:
            outcome = self._in_turn(line, row)
        finally:
            line.inside.discard(me)
        if outcome == _TAKEN:
            raise ConflictingIdError(row.id)
        if outcome != _WRITTEN:
            self._insert_alone(row, outcome == _UNKNOWN)

    def _insert_alone(self, row: JobRow, may_be_there: bool) -> None:
        try:
            self._insert([row])
        except ConflictingIdError:
            if not may_be_there or not self._already_written([row]):
                raise

    def _in_turn(self, line: _Line, row: JobRow) -> int:
        mine: _Waiting | None = None
        try:
            mine = line.enter(row)
            if mine is None:
                self._insert([row])
                return _WRITTEN
            while not mine.turn.acquire(timeout=_PATIENCE_S):
                if line.left_behind(mine):
                    break
            if mine.leads:
                self._lead(line, mine)
            return mine.outcome
        finally:
            if mine is None or (not line.leave(mine) and mine.leads):
                line.pass_on()

    def _lead(self, line: _Line, first: _Waiting) -> None:
        batch = [first]
        try:
            batch = line.batch_of(first)
            batch.sort(key=_id_of)  # so that two processes lock ids in one order, and don't deadlock
            with suppress(Exception):  # each finds it out by itself
                self._write(batch)
        finally:
            first.over = True
            for one in batch:
                if one is not first:
                    one.turn.release()

    def _write(self, batch: list[_Waiting]) -> None:
        """Write what can be written of a batch; what has no outcome after that was or was not."""
        left = batch
        for _ in range(2):
            try:
                self._insert([one.row for one in left])
            except ConflictingIdError:
                _mark(left, _NOT_WRITTEN)
            else:
                _mark(left, _WRITTEN)
                return
            taken = {row.id for row in self._read([one.row.id for one in left])}
            _mark([one for one in left if one.row.id in taken], _TAKEN)
            left = [one for one in left if one.row.id not in taken]
            if not left:
                return
            _mark(left, _UNKNOWN)


def _mark(batch: list[_Waiting], outcome: int) -> None:
    for one in batch:
        one.outcome = outcome


def _id_of(one: _Waiting) -> str:
    return one.row.id
