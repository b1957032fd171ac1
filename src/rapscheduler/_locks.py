"""Locks that no fork finds taken: a child would wait for a thread that it does not have.

Rule: whoever forks waits until every `KeptLock` is free, holds them all while the process is copied, and gives them
back in the parent and in the child. So a child also finds what they guard whole. They are held for moments only, never
for another's answer; one that is held for longer (`FORK_WAIT_S`) is new in the child.
"""

from __future__ import annotations

import os
import time
from threading import RLock
from weakref import WeakSet

from rapscheduler._hints import Any

FORK_WAIT_S = 5.0  # for all of them


class KeptLock:
    """A re-entrant lock (a signal handler may come while its own thread holds it) that is free after a fork."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = RLock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


_all: WeakSet[KeptLock] = WeakSet()
_held: list[Any] = []  # while a fork is made
_passed: list[KeptLock] = []  # those that somebody else held all the time


def _before_fork() -> None:
    end_s = time.monotonic() + FORK_WAIT_S
    for kept in list(_all):
        if kept._lock.acquire(timeout=max(0.0, end_s - time.monotonic())):
            _held.append(kept._lock)
        else:
            _passed.append(kept)


def _in_parent() -> None:
    _passed.clear()
    while _held:
        _held.pop().release()


def _in_child() -> None:
    for kept in _passed:
        kept._lock = RLock()
    _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
