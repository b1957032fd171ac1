"""Jobs in Redis.

What lives here: `RedisJobStore`: keys, scripts, pipelines. What must not: the contract (`_rowstore`). Keys, the first
two as in APScheduler:

    apscheduler.jobs               hash    id -> the job as JSON (what APScheduler pickled stays as it is)
    apscheduler.run_times          zset    id by run time in seconds; paused and parked jobs are not in it
    apscheduler.jobs.nominal       hash    id -> the trigger's time in µs, where jitter moved the run time
    apscheduler.jobs.parked        hash    id -> why the job is set aside
    apscheduler.run_times.parked   zset    id by run time, for the parked jobs that have one
    apscheduler.jobs.zones         hash    time zone -> the rules under which run times were computed
    apscheduler.jobs.tags          zset    tag and id of each job with tags (`_redistags`)
    apscheduler.jobs.tags.of       hash    id -> the tags by which it is in there

A shared store has six more (`_redisclaims`), and while schedulers use a store, one says so (`_redispresence`).

Scores are doubles; they are sent as texts of 17 digits, which name every double exactly. What takes a look and then a
write is a Lua script, so it can't interleave with other clients; a batch is one script call, whatever its size.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._instants import MAX_US
from .._serialization.rows import JobRow, RowChange, raw_id, seconds_around, us_from_seconds
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, elsewhere, maybe_ref, utc_timestamp_to_datetime
from . import _redisclient
from ._forked import keep
from ._redispresence import RedisNotes
from ._redisscripts import (
    CHANGE,
    DELETE,
    HEARD_OF,
    INSERT,
    READ_DUE,
    REPLACE,
    REPLACE_IF,
    SCRIPTS,
    SET_PARKED,
    change_args,
    id_of,
    row_args,
    row_from,
    text_of,
)
from ._redistags import TAG_SCRIPTS, RedisTags
from ._shared import LEASE_S, POLL_S, sharing
from .base import BaseJobStore, refuse_empty

try:
    from redis import Redis
    from redis.exceptions import ConnectionError as RedisConnectionError
except ImportError as exc:  # pragma: no cover
    raise ImportError("RedisJobStore requires redis installed: pip install rapscheduler[redis]") from exc

__all__ = (
    "BaseJobStore",
    "ConflictingIdError",
    "Job",
    "JobLookupError",
    "RedisJobStore",
    "datetime_to_utc_timestamp",
    "maybe_ref",
    "utc_timestamp_to_datetime",
)

# rows in one script call; Redis runs nothing else meanwhile, and takes a million arguments at most
_AT_ONCE = 5000

if not TYPE_CHECKING:
    __getattr__ = elsewhere(__name__)


class RedisJobStore(RedisTags):
    """Stores jobs in a Redis database. Other keyword arguments go to :class:`~redis.Redis`.

    Plugin alias: ``redis``

    :param int db: the number of the database
    :param str jobs_key: key of the hash of jobs
    :param str run_times_key: key of the sorted set of run times
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param client: a :class:`~redis.Redis` to use instead of making one, or a :class:`~redis.cluster.RedisCluster` if
        both keys have the same hash tag (``{apscheduler}.jobs``); instead of one that decodes responses another is
        made, on the same server
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    :param shared: whether other schedulers may work on these keys at the same time (Redis 5 or newer): each run is
        claimed by one of them, see *More than one process* in the documentation
    :param acknowledge: ``"submit"``: a run counts as made when an executor took it; ``"end"``: when it ended, and what
        a crash cut off runs again (``shared`` implies it)
    :param lease: seconds after which a scheduler that is not heard of is taken for dead
    :param poll_interval: seconds after which what others changed is seen at the latest
    """

    _writes_at_once = 2  # the server runs one at a time; two, so that one is on its way meanwhile

    def __init__(
        self,
        db: int = 0,
        jobs_key: str = "apscheduler.jobs",
        run_times_key: str = "apscheduler.run_times",
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        client: Any = None,
        allowed_callables: Iterable[str] | str | None = None,
        shared: Any = False,
        acknowledge: str = "submit",
        lease: Any = LEASE_S,
        poll_interval: Any = POLL_S,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        if db is None:
            raise ValueError('The "db" parameter must not be empty')
        refuse_empty(jobs_key=jobs_key, run_times_key=run_times_key)
        self.pickle_protocol = pickle_protocol
        self.jobs_key = jobs_key
        self.run_times_key = run_times_key
        self._keys: tuple[str, ...] = (
            jobs_key,
            run_times_key,
            f"{jobs_key}.nominal",
            f"{jobs_key}.parked",
            f"{run_times_key}.parked",
            f"{jobs_key}.tags",
            f"{jobs_key}.tags.of",
        )
        self._zones_key = f"{jobs_key}.zones"
        given = maybe_ref(client) if client is not None else Redis(db=int(db), **connect_args)
        self.redis = _redisclient.checked(given, (*self._keys, self._zones_key))
        options = sharing(shared, acknowledge, lease, poll_interval)
        if options is None:
            self._scripts = {text: self.redis.register_script(text) for text in (*SCRIPTS, *TAG_SCRIPTS)}
        else:
            self._share(options)

    def _share(self, options: dict[str, Any]) -> None:
        from ._redisclaims import TELLING
        from ._redisshared import RedisShared

        self._keys = (*self._keys[:5], f"{self.jobs_key}.news", *self._keys[5:])
        telling = {text: TELLING + text if text in HEARD_OF else text for text in SCRIPTS}
        telling |= dict(zip(TAG_SCRIPTS, TAG_SCRIPTS, strict=True))
        self._scripts = {text: self.redis.register_script(said) for text, said in telling.items()}
        self._shared = RedisShared(self, options)

    def _open(self, write: bool) -> None:
        self._only_looks = not write
        if write and self._shared is not None:
            self._shared.open()

    def _notes(self) -> Any:
        return RedisNotes(self)

    def shutdown(self) -> None:
        _redisclient.close(self.redis)

    def _leave_parent(self) -> None:
        pool = getattr(self.redis, "connection_pool", None)  # a cluster's pools look at the pid themselves
        if pool is not None:
            keep(*getattr(pool, "_available_connections", ()), *getattr(pool, "_in_use_connections", ()))
            pool.reset()

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        rows: list[JobRow] = []
        for first in range(0, len(ids), _AT_ONCE):
            part = [raw_id(job_id) for job_id in ids[first : first + _AT_ONCE]]
            jobs, run_times, nominal, parked, parked_times = self._keys[:5]
            pipe = self.redis.pipeline(transaction=True)
            pipe.hmget(jobs, part)
            pipe.hmget(nominal, part)
            pipe.hmget(parked, part)
            for job_id in part:
                pipe.zscore(run_times, job_id)
                pipe.zscore(parked_times, job_id)
            data, nominals, reasons, *scores = self._retried(pipe.execute)
            for index in range(len(part)):
                if data[index] is not None:
                    score = scores[2 * index]
                    if score is None:
                        score = scores[2 * index + 1]
                    row = row_from(ids[first + index], score, nominals[index], reasons[index], data[index])
                    rows.append(row)
        return rows

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        found = self._run(READ_DUE, [repr(seconds_around(until_us)[1]), limit])
        return [
            row_from(id_of(job_id), float(score), nominal, None, data)
            for job_id, score, nominal, data in zip(*[iter(found)] * 4, strict=True)
        ]

    def _read_all(self) -> list[JobRow]:
        jobs, run_times, nominal, parked, parked_times = self._keys[:5]
        pipe = self.redis.pipeline(transaction=True)
        pipe.hgetall(jobs)
        pipe.zrange(run_times, 0, -1, withscores=True)
        pipe.zrange(parked_times, 0, -1, withscores=True)
        pipe.hgetall(nominal)
        pipe.hgetall(parked)
        data, due, parked_due, nominals, reasons = self._retried(pipe.execute)
        scores = dict(due)
        scores.update(parked_due)
        return [
            row_from(id_of(job_id), scores.get(job_id), nominals.get(job_id), reasons.get(job_id), content)
            for job_id, content in data.items()
        ]

    def _read_never_due(self) -> list[JobRow]:
        last = f"({seconds_around(MAX_US)[1]!r}"
        ids = self._retried(lambda: self.redis.zrangebyscore(self.run_times_key, last, "+inf"))
        return self._read([id_of(job_id) for job_id in ids])

    def _read_parked(self) -> list[JobRow]:
        ids = self._retried(lambda: self.redis.hkeys(self._keys[3]))
        return self._read([id_of(job_id) for job_id in ids])

    def _count_parked(self) -> int:
        count: int = self._retried(lambda: self.redis.hlen(self._keys[3]))
        return count

    def _earliest(self) -> int | None:
        found = self._retried(lambda: self.redis.zrange(self.run_times_key, 0, 0, withscores=True))
        return us_from_seconds(found[0][1]) if found else None

    def _insert(self, rows: Sequence[JobRow]) -> None:
        """All or none: by one script, or for very many rows by several and taking the first ones back."""
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            try:
                taken = self._scripts[INSERT](keys=self._keys, args=row_args(part))
            except RedisConnectionError:
                taken = self._scripts[INSERT](keys=self._keys, args=row_args(part))
                if taken is not None and self._already_written(part):
                    taken = None  # the lost call had been run
            if taken is not None:
                self._delete([row.id for row in rows[:first]])
                raise ConflictingIdError(text_of(taken))

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        return [text_of(job_id) for job_id in self._run(REPLACE, row_args(rows))]

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        return self._replace_many_if([(row, expected_us)])[0]

    def _replace_many_if(self, rows: Sequence[tuple[JobRow, int | None]]) -> list[bool | None]:
        arguments = row_args([row for row, _ in rows], [expected_us for _, expected_us in rows])
        return [None if done < 0 else done == 1 for done in self._run(REPLACE_IF, arguments)]

    def _delete(self, ids: Sequence[str]) -> list[str]:
        # Not sent twice when the connection is lost: the second time the ids would be missing.
        missing: list[str] = []
        for first in range(0, len(ids), _AT_ONCE):
            found = self._scripts[DELETE](keys=self._keys, args=list(ids[first : first + _AT_ONCE]))
            missing += map(text_of, found)
        return missing

    def _clear(self) -> None:
        self._retried(lambda: self.redis.delete(*self._keys))

    def _change(self, changes: Sequence[RowChange]) -> None:
        for first in range(0, len(changes), _AT_ONCE):
            self._run(CHANGE, change_args(changes[first : first + _AT_ONCE]))

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        changed, ids = 0, list(reasons)
        for first in range(0, len(ids), _AT_ONCE):
            arguments: list[Any] = ["" if seen is None else "1"]
            for job_id in ids[first : first + _AT_ONCE]:
                arguments += (raw_id(job_id), reasons[job_id] or "", "" if seen is None else seen[job_id])
            changed += self._run(SET_PARKED, arguments)
        return changed

    def _read_rules(self) -> dict[str, str]:
        found = self._retried(lambda: self.redis.hgetall(self._zones_key))
        return {text_of(zone): text_of(rules) for zone, rules in found.items()}

    def _write_rules(self, rules: Mapping[str, str]) -> None:
        self._retried(lambda: self.redis.hset(self._zones_key, mapping=dict(rules)))

    def _run(self, script: str, arguments: list[Any]) -> Any:
        return self._retried(lambda: self._scripts[script](keys=self._keys, args=arguments))

    @staticmethod
    def _retried(call: Any) -> Any:
        """Once more on a new connection when the old one turns out to be closed; only for calls that may run twice."""
        try:
            return call()
        except RedisConnectionError:
            return call()
