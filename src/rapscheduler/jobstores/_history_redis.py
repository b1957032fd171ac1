"""Runs that ended, in a stream of Redis that is kept about so long."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rapscheduler._runs import Record, around

_PAGE = 1000


class RedisPlace:
    """A capped stream; each entry has the record as JSON under ``run``."""

    def __init__(self, place: Any, key: str, keep: int) -> None:
        if isinstance(place, str):
            from redis import Redis

            place = Redis.from_url(place)
        self._redis, self._key, self._keep = place, key, keep

    def write(self, records: list[Record]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for record in records:
                pipe.xadd(self._key, {"run": json.dumps(record)}, maxlen=self._keep, approximate=True)
            pipe.execute()

    def leave_parent(self) -> None:
        pass  # redis-py's pools look at the pid

    def _found(self, job_id: str | None, state: str | None, since_us: int | None) -> Iterable[Record]:
        last = "+"
        while True:
            entries = self._redis.xrevrange(self._key, max=last, count=_PAGE)
            for _, fields in entries:
                record = Record(*json.loads(fields[b"run"] if b"run" in fields else fields["run"]))
                if (
                    job_id in (None, record.job_id)
                    and state in (None, record.state)
                    and (since_us is None or record.ended_us >= since_us)
                ):
                    yield record
            if len(entries) < _PAGE:
                return
            name = entries[-1][0]
            last = "(" + (name.decode() if isinstance(name, bytes) else name)

    def read(
        self, job_id: str | None, state: str | None, since_us: int | None, limit: int
    ) -> Iterable[Record]:
        found: list[Record] = []
        for record in self._found(job_id, state, since_us):
            if len(found) >= limit:
                break
            found.append(record)
        return found

    def find(self, run_id: str) -> Record | None:
        return next((record for record in self._found(None, None, None) if record.id == run_id), None)

    def near(self, job_id: str, run_id: str, count: int) -> Iterable[Record]:
        return around(self._found(job_id, None, None), run_id, count)

    def count(self, job_id: str | None, since_us: int | None) -> dict[str, int]:
        return dict(Counter(record.state for record in self._found(job_id, None, since_us)))

    def sweep(self, before_us: int) -> None:
        """Entries have the server's time in their ids."""
        self._redis.xtrim(self._key, minid=max(0, before_us // 1000), approximate=True)
