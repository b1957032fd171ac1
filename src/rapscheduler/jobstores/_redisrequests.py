"""Requests to the schedulers of a shared Redis store: one more hash beside the jobs.

Here: `RedisRequests`. Not here: the keys of claims (`_redisclaims`); who asks (`_scheduling.cancelling`).

    .requests   hash  "number scheduler" -> "when-asked answer run-id asked-by"; "-": no answer yet
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ._redisscripts import text_of
from ._requests import KEPT_US, OPEN, Request, Requests

_OPEN = "-"
# KEYS: the hash, the channel. ARGV: how long requests are kept (µs), number, run id, who asks, ids of schedulers
_ASK = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '^%S+')) < now - tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], all[i]) end
end
local asked = table.concat({string.format('%.0f', now), '-', ARGV[3], ARGV[4]}, ' ')
for i = 5, #ARGV do redis.call('HSET', KEYS[1], ARGV[2] .. ' ' .. ARGV[i], asked) end
redis.pcall('PUBLISH', KEYS[2], '')
"""
# KEYS: the hash. ARGV: scheduler, number and answer of each request
_ANSWER = """
for i = 2, #ARGV, 2 do
  local field = ARGV[i] .. ' ' .. ARGV[1]
  local row = redis.call('HGET', KEYS[1], field)
  if row then redis.call('HSET', KEYS[1], field, (string.gsub(row, '^(%S+) %S+', '%1 ' .. ARGV[i + 1]))) end
end
"""


class RedisRequests(Requests):
    """Of the jobs under a key, whose channel is `channel`."""

    def __init__(self, store: Any, channel: str) -> None:
        self._store, self._redis = store, store.redis
        self.key, self._channel = f"{store.jobs_key}.requests", channel
        self._ask, self._answer = self._redis.register_script(_ASK), self._redis.register_script(_ANSWER)

    def are_there(self) -> bool:
        return True  # an older scheduler just does not answer

    def ask(self, request: Request, schedulers: Sequence[str]) -> None:
        arguments = (KEPT_US, request.number, request.run_id, request.by, *schedulers)
        self._store._retried(lambda: self._ask(keys=(self.key, self._channel), args=arguments))

    def asked(self, scheduler: str) -> list[Request]:
        return [
            Request(number, run_id, by)
            for number, one, answer, run_id, by in self._rows()
            if one == scheduler and answer == _OPEN
        ]

    def answer(self, scheduler: str, answers: Mapping[str, str]) -> None:
        arguments = [scheduler]
        for number, answer in answers.items():
            arguments += (number, answer)
        self._store._retried(lambda: self._answer(keys=(self.key,), args=arguments))

    def answers(self, number: str) -> dict[str, str]:
        return {
            scheduler: OPEN if answer == _OPEN else answer
            for one, scheduler, answer, _, _ in self._rows()
            if one == number
        }

    def withdraw(self, number: str) -> None:
        fields = [f"{number} {one}" for one, answer in self.answers(number).items() if answer != OPEN]
        if fields:
            self._store._retried(lambda: self._redis.hdel(self.key, *fields))

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Number, scheduler, answer, run id, who asks."""
        for field, row in self._store._retried(lambda: self._redis.hgetall(self.key)).items():
            number, scheduler = text_of(field).split(" ")
            _, answer, run_id, by = text_of(row).split(" ", 3)
            yield number, scheduler, answer, run_id, by
