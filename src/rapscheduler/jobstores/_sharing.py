"""One client that several stores were given is closed by the last of them.

What lives here: who uses which client. What must not: clients.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from rapscheduler._locks import KeptLock

_lock = KeptLock()
_users: dict[int, WeakSet[Any]] = {}  # id of a client -> the open stores that use it, and so keep it alive


def use(client: Any, store: Any) -> None:
    """A store that uses this client was opened."""
    with _lock:
        _users.setdefault(id(client), WeakSet()).add(store)


def leave(client: Any, store: Any) -> bool:
    """A store that uses this client is closed; True: no other one uses it, so it may be closed."""
    with _lock:
        users = _users.get(id(client))
        if users is None:
            return True
        users.discard(store)
        if users:
            return False
        del _users[id(client)]
        return True
