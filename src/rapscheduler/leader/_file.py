"""A lock on a file, for the processes of one machine: the kernel releases it when the process ends, however it ends.

A lock of POSIX (`lockf`), which a forked child does not inherit, as it does one of `flock`. It belongs to the process,
so two schedulers of one process are told apart by a table here; and it is gone when the file at the path is another.
The file holds one number: until when the leader has run what was due, in microseconds.
"""

from __future__ import annotations

import os
import struct
from threading import Lock
from typing import Any

try:
    import fcntl
except ImportError as exc:  # pragma: no cover
    raise ImportError(
        "a leader lock on a file needs fcntl, which Windows has not; use a server's lock"
    ) from exc

from rapscheduler.leader._lock import LeaderLock

_MARK = struct.Struct("<q")
_taken: dict[tuple[int, int], tuple[int, Any]] = {}  # (device, inode) -> the process and the lock that has it
_taken_lock = Lock()


class FileLock(LeaderLock):
    """``leader="file:/run/app.lock"``. ``path``: of a file that is made if it is missing, and never removed."""

    interval_s = 0.2
    lease_s = None
    lag_s = 1.5
    marks_at_once = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd: int | None = None
        self._key: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"<FileLock ({self.path!r})>"

    def acquire(self) -> bool:
        with _taken_lock:
            if self._taken_here():  # not to be opened: closing it again would release the lock
                return False
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            found = os.fstat(fd)
            key = (found.st_dev, found.st_ino)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                return False
            _taken[key] = (os.getpid(), self)
        self._fd, self._key = fd, key
        if not self.renew():  # it was replaced while we waited for it
            self.release()
            return False
        return True

    def _taken_here(self) -> bool:
        """Whether another scheduler of this process has it."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        owner = _taken.get((found.st_dev, found.st_ino))
        return owner is not None and owner[0] == os.getpid()

    def renew(self) -> bool:
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._key

    def release(self) -> None:
        fd, key, self._fd, self._key = self._fd, self._key, None, None
        if fd is None or key is None:
            return
        with _taken_lock:
            _taken.pop(key, None)
            os.close(fd)

    def mark(self, us: int) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, _MARK.pack(us), 0)

    def marked(self) -> int | None:
        data = b"" if self._fd is None else os.pread(self._fd, _MARK.size, 0)
        return _MARK.unpack(data)[0] if len(data) == _MARK.size else None

    def leave_parent(self) -> None:
        global _taken_lock
        _taken_lock = Lock()
        if self._fd is not None:
            os.close(self._fd)  # of this process: the parent's lock is not touched
        self._fd = self._key = None
