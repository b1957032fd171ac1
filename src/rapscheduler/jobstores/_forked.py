"""What becomes of a store's client in a forked child.

Here: keeping what is the parent's, a stand-in of a client that is made when it is first used, and a gate for clients
that must not be in the middle of something at a fork. Not here: clients.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from os import getpid
from threading import Condition, RLock
from time import monotonic
from typing import Any
from weakref import WeakSet

_FORK_WAIT_S = 2.0  # the longest that a fork waits for calls that are under way


#: What the parent goes on using. Never closed and never let go of: a destructor might say goodbye to the server.
_of_parents: list[Any] = []


def keep(*things: Any) -> None:
    """Let these stay alive until the process ends."""
    _of_parents.extend(things)


class Anew:
    """Stands for a client; its first use calls ``make()``, which puts a new client in its place and returns it."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._lock, self._made = make, RLock(), False
        self._client: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        with self._lock:
            if not self._made:
                self._client, self._made = self._make(), True
        return getattr(self._client, name)


def left_behind(what: str, cure: str) -> Anew:
    """A stand-in for a client that a user gave, and that works in the parent only: its use is an error that says so."""

    def refuse() -> Any:
        raise RuntimeError(
            f"this store was given {what} that was made before a fork, and it does not work in process {getpid()}: "
            f"its threads and connections are the parent's; {cure}, or start the scheduler after the fork only"
        )

    return Anew(refuse)


class ForkGate:
    """A context for calls that a fork (of ``os.fork``) waits for, as long as it can be waited for.

    ``idle()`` is called, and ends what is idle, when no call is under way and the fork is about to be made. For SQLite,
    whose locks are known to the process and not to its child (sqlite.org: how to corrupt), and for gRPC.
    """

    def __init__(self, idle: Callable[[], None] | None = None) -> None:
        self._idle = idle
        self._open_again()
        _gates.add(self)

    def _open_again(self) -> None:
        self._changed = Condition()
        self._inside, self._closed = 0, False

    def __enter__(self) -> None:
        with self._changed:
            if self._closed:
                self._changed.wait_for(lambda: not self._closed, _FORK_WAIT_S)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._closed:
                self._changed.notify_all()

    def close(self, wait_s: float) -> None:
        """Before a fork."""
        with self._changed:
            self._closed = True
            if self._changed.wait_for(lambda: self._inside <= 0, wait_s) and self._idle is not None:
                with suppress(Exception):
                    self._idle()

    def open(self) -> None:
        """After it, in the parent."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def renew(self) -> None:
        """After it, in the child: whoever was inside is not here."""
        self._open_again()


_gates: WeakSet[ForkGate] = WeakSet()


def _before_fork() -> None:
    end_s = monotonic() + _FORK_WAIT_S
    for gate in list(_gates):
        gate.close(max(0.0, end_s - monotonic()))


def _in_parent() -> None:
    for gate in list(_gates):
        gate.open()


def _in_child() -> None:
    for gate in list(_gates):
        gate.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
