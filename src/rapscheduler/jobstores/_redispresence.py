"""Who uses the keys of a Redis store: one hash beside them, which Redis forgets when nobody is heard of.

<jobs_key>.open   hash  id -> "heard started claims pid born host", times in µs of Redis's clock
"""

from __future__ import annotations

from typing import Any

from .._instants import SECOND_US
from ._presence import LEASE_S, Notes, User
from ._redisscripts import text_of

# KEYS: the hash. ARGV: id, claims, pid, born or "-", host, lease in ms. Returns the time, and the hash as it was.
_NOTE = """
local clock = redis.call('TIME')
local now = string.format('%.0f', tonumber(clock[1]) * 1000000 + tonumber(clock[2]))
local others = redis.call('HGETALL', KEYS[1])
local before = redis.call('HGET', KEYS[1], ARGV[1])
local started = before and string.match(before, '^%S+ (%S+)') or now
local row = {now, started, ARGV[2], ARGV[3], ARGV[4], ARGV[5]}
redis.call('HSET', KEYS[1], ARGV[1], table.concat(row, ' '))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {now, others}
"""


class RedisNotes(Notes):
    """The notes of a `RedisJobStore`."""

    def __init__(self, store: Any) -> None:
        self._redis, self.key = store.redis, f"{store.jobs_key}.open"
        self._note = self._redis.register_script(_NOTE)

    def _noted(self, me: User) -> Any:
        arguments = [me.id, int(me.claims), me.pid, me.born or "-", me.host or "?", int(LEASE_S * 1000)]
        return self._note(keys=[self.key], args=arguments)

    def arrive(self, me: User) -> list[User]:
        now_us, flat = self._noted(me)
        users, gone = [], []
        for user_id, row in zip(*[iter(flat)] * 2, strict=True):
            heard, started, claims, pid, born, host = text_of(row).split(" ", 5)
            age_s = (int(now_us) - int(heard)) / SECOND_US
            birth = "" if born == "-" else born
            user = User(text_of(user_id), host, int(pid), birth, claims == "1", max(0.0, age_s))
            if age_s > LEASE_S or user.is_gone():
                gone.append(user.id)
            elif user.id != me.id:
                users.append((int(started), user))
        if gone:
            self._redis.hdel(self.key, *gone)
        return [user for _, user in sorted(users)]

    def renew(self, me: User) -> None:
        self._noted(me)

    def leave(self, me: User) -> None:
        self._redis.hdel(self.key, me.id)
