"""The connection of a RethinkDB store: made, renewed, shared, closed.

What lives here: `Link`. What must not: tables, documents. A connection of the driver serves one thread at a time, so
queries go through a lock, one for each connection object: two stores may be given the same one. What is known to be
closed is renewed before a query is sent. The driver's own `reconnect` leaves a connection half made when it fails, and
raises AttributeError from then on; so ours are made anew, and one that we were given is brought back to "closed" first.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

from rethinkdb.errors import ReqlDriverError

from ._forked import keep

_CLOSE_WAIT_S = 1.0  # for a query under way, which may hang on a server that stands still
_locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_locks_lock = RLock()


class Link:
    """A connection that is renewed; ``given``: the user's own object, else ``connect()`` makes one."""

    def __init__(self, given: Any, connect: Callable[[], Any]) -> None:
        self._given, self._connect = given, connect
        self._lock = RLock() if given is None else _lock_of(given)
        self.connection: Any = connect() if given is None else given
        self._closed = False

    def run(self, query: Any, again: bool) -> Any:
        """The answer; ``again``: the query may be sent twice, when the connection turns out to be lost."""
        with self._lock:
            if not _is_open(self.connection):
                self._renew()
            try:
                return self._answer(query)
            except ReqlDriverError:
                if not again or self._closed:
                    raise
                self._renew()
                return self._answer(query)

    def _answer(self, query: Any) -> Any:
        answer = query.run(self.connection)
        return answer if isinstance(answer, (dict, list, str, int, float, type(None))) else list(answer)

    def _renew(self) -> None:
        if self._closed:
            raise ReqlDriverError("Connection is closed.")
        if self._given is None:
            _close(self.connection)
            self.connection = self._connect()
            return
        try:
            self._given.reconnect(noreply_wait=False)
        except AttributeError:  # half made by a renewal that failed
            self._given._instance = None
            self._given.reconnect(noreply_wait=False)

    def leave_parent(self) -> None:
        """In a forked child: the connection is the parent's; the next query makes another."""
        keep(self.connection, getattr(self.connection, "_instance", None))
        self._lock = RLock()
        if self._given is None:
            self.connection = None
        else:
            with _locks_lock:
                _locks[self._given] = self._lock
            self._given._instance = None

    def close(self) -> None:
        """At once: a query that hangs in another thread ends with an error."""
        self._closed = True
        locked = self._lock.acquire(timeout=_CLOSE_WAIT_S)
        try:
            _close(self.connection)
        finally:
            if locked:
                self._lock.release()


def _lock_of(connection: Any) -> Any:
    with _locks_lock:
        return _locks.setdefault(connection, RLock())


def _is_open(connection: Any) -> bool:
    try:
        return bool(connection.is_open())
    except AttributeError:
        return False


def _close(connection: Any) -> None:
    try:
        connection.close(noreply_wait=False)
    except (ReqlDriverError, AttributeError, OSError):
        pass  # it was closed, or never whole
