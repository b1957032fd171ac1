"""Jobs in Redis.

What lives here: `RedisJobStore`: keys, scripts, pipelines. What must not: the contract (`_rowstore`). Keys, the first
two as in APScheduler:

    apscheduler.jobs               hash    id -> the job as JSON (what APScheduler pickled stays as it is)
    apscheduler.run_times          zset    id by run time in seconds; paused and parked jobs are not in it
    apscheduler.jobs.nominal       hash    id -> the trigger's time in µs, where jitter moved the run time
    apscheduler.jobs.parked        hash    id -> why the job is set aside
    apscheduler.run_times.parked   zset    id by run time, for the parked jobs that have one

Scores are doubles; they are sent as texts of 17 digits, which name every double exactly. What takes a look and then a
write is a Lua script, so it can't interleave with other clients; a batch is one script call, whatever its size.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from .._serialization.rows import NO_TIME_US, JobRow, RowChange, seconds_from_us, us_from_seconds
from ..errors import ConflictingIdError, JobLookupError
from ..job import Job
from ..util import datetime_to_utc_timestamp, maybe_ref, utc_timestamp_to_datetime
from ._rowstore import RowStore
from .base import BaseJobStore

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

_AT_ONCE = (
    5000  # rows in one script call; Redis runs nothing else meanwhile, and takes a million arguments at most
)

# KEYS of every script: jobs, run times, nominal, parked, parked run times.
# ARGV of insert and replace: five per row: id, score or "", nominal or "", parked or "", data.
_WRITE_ROW = """
local function write(i)
  local id, score, nominal, parked, data = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  redis.call('HSET', KEYS[1], id, data)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[5], id)
  if nominal == '' then redis.call('HDEL', KEYS[3], id) else redis.call('HSET', KEYS[3], id, nominal) end
  if parked == '' then redis.call('HDEL', KEYS[4], id) else redis.call('HSET', KEYS[4], id, parked) end
  if score ~= '' then redis.call('ZADD', parked == '' and KEYS[2] or KEYS[5], score, id) end
end
"""
_INSERT = (
    _WRITE_ROW
    + """
for i = 1, #ARGV, 5 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then return ARGV[i] end
end
for i = 1, #ARGV, 5 do write(i) end
return false
"""
)
_REPLACE = (
    _WRITE_ROW
    + """
local missing = {}
for i = 1, #ARGV, 5 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then write(i) else missing[#missing + 1] = ARGV[i] end
end
return missing
"""
)
# ARGV: expected score or "", then one row; returns 1: written, 0: due at another time, -1: no such row
_REPLACE_IF = (
    _WRITE_ROW
    + """
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return -1 end
local score = redis.call('ZSCORE', KEYS[2], ARGV[2]) or redis.call('ZSCORE', KEYS[5], ARGV[2]) or ''
if tonumber(score) ~= tonumber(ARGV[1]) then return 0 end
write(2)
return 1
"""
)
# ARGV: id, ... ; returns the ids that do not exist
_DELETE = """
local missing = {}
for i = 1, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 0 then missing[#missing + 1] = ARGV[i] end
  redis.call('ZREM', KEYS[2], ARGV[i])
  redis.call('HDEL', KEYS[3], ARGV[i])
  redis.call('HDEL', KEYS[4], ARGV[i])
  redis.call('ZREM', KEYS[5], ARGV[i])
end
return missing
"""
# ARGV: five per change: id, expected score, kind (move, remove, park), score or "" or the reason, nominal or ""
_CHANGE = """
local jittered = redis.call('HLEN', KEYS[3]) > 0
for i = 1, #ARGV, 5 do
  local id, kind, value = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local score = redis.call('ZSCORE', KEYS[2], id)
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then
    if kind == 'move' then
      if value == '' then redis.call('ZREM', KEYS[2], id) else redis.call('ZADD', KEYS[2], value, id) end
      if ARGV[i + 4] ~= '' then redis.call('HSET', KEYS[3], id, ARGV[i + 4])
      elseif jittered then redis.call('HDEL', KEYS[3], id) end
    elseif kind == 'remove' then
      redis.call('HDEL', KEYS[1], id)
      redis.call('ZREM', KEYS[2], id)
      redis.call('HDEL', KEYS[3], id)
    else
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZADD', KEYS[5], score, id)
      redis.call('HSET', KEYS[4], id, value)
    end
  end
end
"""
# ARGV: "1": only rows whose data is the one given; then three per row: id, reason or "" to end parking, data.
# Returns how many rows it changed.
_SET_PARKED = """
local changed = 0
for i = 2, #ARGV, 3 do
  local id, reason = ARGV[i], ARGV[i + 1]
  local data = redis.call('HGET', KEYS[1], id)
  if data and (ARGV[1] ~= '1' or data == ARGV[i + 2]) then
    changed = changed + 1
    local from, to = KEYS[2], KEYS[5]
    if reason == '' then
      from, to = KEYS[5], KEYS[2]
      redis.call('HDEL', KEYS[4], id)
    else
      redis.call('HSET', KEYS[4], id, reason)
    end
    local score = redis.call('ZSCORE', from, id)
    if score then
      redis.call('ZREM', from, id)
      redis.call('ZADD', to, score, id)
    end
  end
end
return changed
"""
# ARGV: highest score, limit; returns id, score, data, nominal of each due row in turn, in one round trip
_READ_DUE = """
local rows, ids = {}, {}
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #due, 2 do ids[#ids + 1] = due[i] end
local jittered = redis.call('HLEN', KEYS[3]) > 0
for first = 1, #ids, 1000 do
  local last = math.min(first + 999, #ids)
  local data = redis.call('HMGET', KEYS[1], unpack(ids, first, last))
  local nominal = jittered and redis.call('HMGET', KEYS[3], unpack(ids, first, last))
  for i = first, last do
    if data[i - first + 1] then
      rows[#rows + 1] = ids[i]
      rows[#rows + 1] = due[2 * i]
      rows[#rows + 1] = nominal and nominal[i - first + 1]
      rows[#rows + 1] = data[i - first + 1]
    else
      redis.call('ZREM', KEYS[2], ids[i])
    end
  end
end
return rows
"""


class RedisJobStore(RowStore):
    """Stores jobs in a Redis database. Other keyword arguments go to :class:`~redis.Redis`.

    Plugin alias: ``redis``

    :param int db: the number of the database
    :param str jobs_key: key of the hash of jobs
    :param str run_times_key: key of the sorted set of run times
    :param int pickle_protocol: accepted for APScheduler's sake; nothing is pickled
    :param client: a :class:`~redis.Redis` to use instead of making one (it must not decode responses)
    :param allowed_callables: patterns such as ``["myapp.tasks:*"]`` of the callables that jobs may name
    """

    def __init__(
        self,
        db: int = 0,
        jobs_key: str = "apscheduler.jobs",
        run_times_key: str = "apscheduler.run_times",
        pickle_protocol: int = pickle.HIGHEST_PROTOCOL,
        *,
        client: Any = None,
        allowed_callables: Iterable[str] | str | None = None,
        **connect_args: Any,
    ) -> None:
        super().__init__(allowed_callables)
        if db is None:
            raise ValueError('The "db" parameter must not be empty')
        if not jobs_key:
            raise ValueError('The "jobs_key" parameter must not be empty')
        if not run_times_key:
            raise ValueError('The "run_times_key" parameter must not be empty')
        self.pickle_protocol = pickle_protocol
        self.jobs_key = jobs_key
        self.run_times_key = run_times_key
        self.redis = maybe_ref(client) if client is not None else Redis(db=int(db), **connect_args)
        self._keys = (
            jobs_key,
            run_times_key,
            f"{jobs_key}.nominal",
            f"{jobs_key}.parked",
            f"{run_times_key}.parked",
        )
        self._scripts = {text: self.redis.register_script(text) for text in _SCRIPTS}

    def shutdown(self) -> None:
        self.redis.connection_pool.disconnect()

    # Row operations

    def _read(self, ids: Sequence[str]) -> list[JobRow]:
        rows: list[JobRow] = []
        for first in range(0, len(ids), _AT_ONCE):
            part = list(ids[first : first + _AT_ONCE])
            jobs, run_times, nominal, parked, parked_times = self._keys
            pipe = self.redis.pipeline(transaction=True)
            pipe.hmget(jobs, part)
            pipe.hmget(nominal, part)
            pipe.hmget(parked, part)
            for job_id in part:
                pipe.zscore(run_times, job_id)
                pipe.zscore(parked_times, job_id)
            data, nominals, reasons, *scores = self._retried(pipe.execute)
            for index, job_id in enumerate(part):
                if data[index] is not None:
                    score = scores[2 * index]
                    if score is None:
                        score = scores[2 * index + 1]
                    rows.append(_row(job_id, score, nominals[index], reasons[index], data[index]))
        return rows

    def _read_due(self, until_us: int, limit: int) -> list[JobRow]:
        found = self._run(_READ_DUE, [_score(until_us), limit])
        return [
            _row(_text(job_id), float(score), nominal, None, data)
            for job_id, score, nominal, data in zip(*[iter(found)] * 4, strict=True)
        ]

    def _read_all(self) -> list[JobRow]:
        jobs, run_times, nominal, parked, parked_times = self._keys
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
            _row(_text(job_id), scores.get(job_id), nominals.get(job_id), reasons.get(job_id), content)
            for job_id, content in data.items()
        ]

    def _read_parked(self) -> list[JobRow]:
        ids = self._retried(lambda: self.redis.hkeys(self._keys[3]))
        return self._read([_text(job_id) for job_id in ids])

    def _earliest(self) -> int | None:
        found = self._retried(lambda: self.redis.zrange(self.run_times_key, 0, 0, withscores=True))
        return us_from_seconds(found[0][1]) if found else None

    def _insert(self, rows: Sequence[JobRow]) -> None:
        """All or none: by one script, or for very many rows by several and taking the first ones back."""
        for first in range(0, len(rows), _AT_ONCE):
            part = rows[first : first + _AT_ONCE]
            try:
                taken = self._scripts[_INSERT](keys=self._keys, args=_row_args(part))
            except RedisConnectionError:
                taken = self._scripts[_INSERT](keys=self._keys, args=_row_args(part))
                if taken is not None and self._already_written(part):
                    taken = None  # the lost call had been run
            if taken is not None:
                self._delete([row.id for row in rows[:first]])
                raise ConflictingIdError(_text(taken))

    def _replace(self, rows: Sequence[JobRow]) -> list[str]:
        return [_text(job_id) for job_id in self._run(_REPLACE, _row_args(rows))]

    def _replace_if(self, row: JobRow, expected_us: int | None) -> bool | None:
        done = self._run(_REPLACE_IF, [_score(expected_us), *_row_args([row])])
        return None if done < 0 else done == 1

    def _delete(self, ids: Sequence[str]) -> list[str]:
        # Not sent twice when the connection is lost: the second time the ids would be missing.
        missing: list[str] = []
        for first in range(0, len(ids), _AT_ONCE):
            found = self._scripts[_DELETE](keys=self._keys, args=list(ids[first : first + _AT_ONCE]))
            missing += map(_text, found)
        return missing

    def _clear(self) -> None:
        self._retried(lambda: self.redis.delete(*self._keys))

    def _change(self, changes: Sequence[RowChange]) -> None:
        for first in range(0, len(changes), _AT_ONCE):
            self._run(_CHANGE, _change_args(changes[first : first + _AT_ONCE]))

    def _set_parked(self, reasons: dict[str, str | None], seen: dict[str, bytes] | None = None) -> int | None:
        changed, ids = 0, list(reasons)
        for first in range(0, len(ids), _AT_ONCE):
            arguments: list[Any] = ["" if seen is None else "1"]
            for job_id in ids[first : first + _AT_ONCE]:
                arguments += (job_id, reasons[job_id] or "", "" if seen is None else seen[job_id])
            changed += self._run(_SET_PARKED, arguments)
        return changed

    def _run(self, script: str, arguments: list[Any]) -> Any:
        return self._retried(lambda: self._scripts[script](keys=self._keys, args=arguments))

    @staticmethod
    def _retried(call: Any) -> Any:
        """Once more on a new connection when the old one turns out to be closed; only for calls that may run twice."""
        try:
            return call()
        except RedisConnectionError:
            return call()


_SCRIPTS = (_INSERT, _REPLACE, _REPLACE_IF, _DELETE, _CHANGE, _SET_PARKED, _READ_DUE)


def _score(time_us: int | None) -> str:
    return "" if time_us is None else repr(seconds_from_us(time_us))


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _row(job_id: str, score: Any, nominal: Any, parked: Any, data: Any) -> JobRow:
    return JobRow(
        job_id,
        us_from_seconds(score),
        None if nominal is None else _int(nominal),
        None if parked is None else _text(parked),
        data if isinstance(data, bytes) else str(data).encode(),
    )


def _int(digits: Any) -> int:
    try:
        return int(digits)
    except ValueError:  # somebody else wrote this
        return NO_TIME_US


def _change_args(changes: Sequence[RowChange]) -> list[Any]:
    arguments: list[Any] = []
    for change in changes:
        kind, value = "move", _score(change.run_at_us)
        if change.parked is not None:
            kind, value = "park", change.parked or "?"
        elif change.remove:
            kind, value = "remove", ""
        nominal = "" if change.nominal_us is None else change.nominal_us
        arguments += (change.id, _score(change.expected_us), kind, value, nominal)
    return arguments


def _row_args(rows: Sequence[JobRow]) -> list[Any]:
    arguments: list[Any] = []
    for row in rows:
        nominal = "" if row.nominal_us is None else row.nominal_us
        arguments += (row.id, _score(row.run_at_us), nominal, row.parked or "", row.data)
    return arguments
