"""The pipes between this process and a worker process, and who may hold their ends.

Here: making and closing them, frames, tokens, the bell. Not here: what is sent, processes, threads.

Data, for one worker: `tasks`, frames to it; `tokens`, one byte for each task of the batch that it has, the task's
place: **whoever reads the byte has the task**, the worker to begin it, this side to give it to another worker (the
kernel hands each byte out once, so no lock is shared and a death leaves nothing in doubt); `results`, frames back,
written as each task ends; `bell`, a byte that says "look". A result rings no bell, for that would wake a thread here
for each; the end of a batch does, and a pipe that is full. A frame is its length (four bytes) and as many bytes.

Invariant: the near ends are in this process alone. A forked child closes them first of all, the workers that are
forks too, and a worker keeps its own from its children; so the end of either side is seen at the other at once.
"""

from __future__ import annotations

import os
import select
import struct
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

_LENGTH = struct.Struct("<I")
_CHUNK = 1 << 16
MOST_TASKS = 200  # of a batch: their places fit into bytes, and all tokens into the smallest pipe

_ours: set[int] = set()  # the ends that a forked child closes
_ours_pid = os.getpid()


def leave_parent() -> None:
    """In a forked child: close what is the parent's."""
    global _ours_pid
    if _ours_pid == os.getpid():
        return
    _ours_pid = os.getpid()
    while _ours:
        try:
            os.close(_ours.pop())
        except OSError:
            pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_parent)


def _framed(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _write_all(end: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(end, view) :]


class Line:
    """The near ends. `far` is for the worker, and to be closed here when that has started."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._buffer = bytearray()
        ends: list[int] = []
        try:
            for _ in range(4):
                ends += os.pipe()
            tasks, self._tasks, self._tokens, self._tokens_in, self.results, results, self.bell, rings = ends
            far = [tasks, os.dup(self._tokens), results, os.dup(rings)]
        except OSError:  # too many files
            for end in ends:
                os.close(end)
            raise
        self._rings = rings
        self._near = [self._tasks, self._tokens, self._tokens_in, self.results, self.bell, rings]
        _ours.update(self._near)
        for end in (*self._near[1:], results):
            os.set_blocking(end, False)
        self.far = [Connection(end) for end in far]

    def close_far(self) -> None:
        """The worker has them now."""
        for connection in self.far:
            connection.close()
        self.far = []

    def close(self) -> None:
        with self._lock:
            near, self._near = self._near, []
            if self._pid != os.getpid():
                return
            for end in near:
                _ours.discard(end)
                os.close(end)

    def send(self, orders: Sequence[bytes]) -> None:
        """A batch, which the worker begins at once. OSError: the worker has gone."""
        os.write(self._tokens_in, bytes(range(len(orders))))
        _write_all(self._tasks, _framed(b"".join(map(_framed, orders))))

    def answer(self, content: bytes) -> None:
        """What the worker asked for in the middle of a batch. OSError: it has gone."""
        _write_all(self._tasks, _framed(_framed(content)))

    def take_back(self) -> list[int]:
        """The places of the tasks that were not begun, and won't be."""
        try:
            return list(os.read(self._tokens, MOST_TASKS))
        except BlockingIOError:
            return []

    def ring(self) -> None:
        """Have whoever waits for this worker look."""
        with self._lock:
            if self._near:
                _ring(self._rings)

    def replies(self) -> list[bytes]:
        """The frames that have come."""
        try:
            os.read(self.bell, 512)
        except BlockingIOError:
            pass
        while True:
            try:
                read = os.read(self.results, _CHUNK)
            except BlockingIOError:
                break
            if not read:
                break
            self._buffer += read
        return _frames(self._buffer)


def _frames(buffer: bytearray) -> list[bytes]:
    """The whole frames of a buffer, which is left with the rest."""
    frames, start = [], 0
    while len(buffer) - start >= _LENGTH.size:
        end = start + _LENGTH.size + _LENGTH.unpack_from(buffer, start)[0]
        if end > len(buffer):
            break
        frames.append(bytes(buffer[start + _LENGTH.size : end]))
        start = end
    del buffer[:start]
    return frames


def _ring(bell: int) -> None:
    try:
        os.write(bell, b"!")
    except BlockingIOError:
        pass  # there are rings that nobody has heard yet


class FarEnd:
    """The same in the worker."""

    def __init__(self, far: Sequence[Connection]) -> None:
        self._ends = [os.dup(connection.fileno()) for connection in far]  # no other program inherits these
        for connection in far:
            connection.close()
        _ours.update(self._ends)
        self._tasks, self._tokens, self._results, self._bell = self._ends
        for end in self._ends[1:]:
            os.set_blocking(end, False)
        self._room = select.poll()
        self._room.register(self._results, select.POLLOUT)

    def next_batch(self) -> list[bytes] | None:
        """Wait for it. None: there is none any more."""
        length = self._read(_LENGTH.size)
        content = self._read(_LENGTH.unpack(length)[0]) if length else None
        return None if content is None else _frames(content)

    def _read(self, count: int) -> bytearray | None:
        content = bytearray()
        while len(content) < count:
            read = os.read(self._tasks, min(count - len(content), 1 << 20))
            if not read:
                return None
            content += read
        return content

    def begins(self) -> bool:
        """Whether the next task of the batch is this worker's; else all that are left were taken back."""
        try:
            return bool(os.read(self._tokens, 1))
        except BlockingIOError:
            return False

    def reply(self, content: bytes) -> None:
        """OSError: the other side has gone."""
        view = memoryview(_framed(content))
        while view:
            try:
                view = view[os.write(self._results, view) :]
            except BlockingIOError:
                _ring(self._bell)
                self._room.poll()

    def ring(self) -> None:
        _ring(self._bell)
