"""A lease in Redis: a key that expires, renewed while the leader lives, with a token that grows from leader to leader.

Keys, in one slot of a cluster: rapscheduler.leader:{name} (who has it), …:token (the last token), …:mark.
"""

from __future__ import annotations

import uuid
from typing import Any

try:
    import redis
except ImportError as exc:  # pragma: no cover
    raise ImportError("a leader lock in Redis needs redis: pip install rapscheduler[redis]") from exc

from rapscheduler.leader._lock import DEFAULT_LEASE_S, DEFAULT_NAME, LeaderLock

# KEYS: lock, token; ARGV: owner, milliseconds
_ACQUIRE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return redis.call('INCR', KEYS[2]) end
return 0
"""
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# KEYS: lock, mark; ARGV: owner, mark
_MARK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[2], ARGV[2]) end
return 0
"""


class RedisLock(LeaderLock):
    """``leader="redis://host:6379/0#name"``.

    :param where: a URL or a client of redis-py (also a cluster's)
    :param name: of the lock, which all schedulers of one program share
    :param lease_s: how long after the death of a leader another may take over
    """

    def __init__(self, where: Any, name: str = DEFAULT_NAME, lease_s: float = DEFAULT_LEASE_S) -> None:
        self.name = name
        self._set_lease(lease_s)
        if isinstance(where, str):
            where = redis.Redis.from_url(
                where, socket_timeout=lease_s / 3, socket_connect_timeout=lease_s / 3
            )
        self._client = where
        self._key = f"rapscheduler.leader:{{{name}}}"
        self._owner = ""

    def __repr__(self) -> str:
        return f"<RedisLock ({self.name!r})>"

    def _eval(self, script: str, key: str, *arguments: Any) -> Any:
        return self._client.eval(script, 2, self._key, f"{self._key}:{key}", self._owner, *arguments)

    def _lease_ms(self) -> int:
        return round((self.lease_s or 0) * 1000)

    def acquire(self) -> bool:
        self._owner = uuid.uuid4().hex
        token = self._eval(_ACQUIRE, "token", self._lease_ms())
        self.token = token or None
        return bool(token)

    def renew(self) -> bool:
        return bool(self._eval(_RENEW, "token", self._lease_ms()))

    def release(self) -> None:
        if self._owner:
            self._eval(_RELEASE, "token")
        self._owner = ""

    def mark(self, us: int) -> None:
        self._eval(_MARK, "mark", us)

    def marked(self) -> int | None:
        found = self._client.get(f"{self._key}:mark")
        return None if found is None else int(found)

    def leave_parent(self) -> None:
        pool = getattr(self._client, "connection_pool", None)
        if pool is not None:
            pool.reset()
        self._owner = ""
