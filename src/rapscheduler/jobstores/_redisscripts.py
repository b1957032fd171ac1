"""Scripts of the Redis store, and how rows become their arguments and back.

Here: the language of Redis. Not here: keys, clients (`redis`), claims (`_redisclaims`), questions for tags
(`_redistags`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from .._serialization.rows import (
    NO_TIME_US,
    JobRow,
    OddId,
    RowChange,
    row_of,
    seconds_around,
    seconds_from_us,
)
from ._tagkeys import EXTRAS, keys_in

# KEYS of every script: jobs, run times, nominal, parked, parked run times; the last two: the index of tags, and the
# tags of each job. What the index says of a job is put right by whatever writes or removes its row.
TAGS = """
local tag_index, tags_of = KEYS[#KEYS - 1], KEYS[#KEYS]
local any_tags
local function tags_known(id)
  if any_tags == nil then any_tags = redis.call('EXISTS', tags_of) == 1 end
  return any_tags and redis.call('HGET', tags_of, id)
end
local function untag(id)
  local known = tags_known(id)
  if known then
    for tag in string.gmatch(known, '%Z+') do redis.call('ZREM', tag_index, tag .. '\\0' .. id) end
    redis.call('HDEL', tags_of, id)
  end
end
local function put_tags(id, tags)
  any_tags = true
  redis.call('HSET', tags_of, id, tags)
  for tag in string.gmatch(tags, '%Z+') do redis.call('ZADD', tag_index, 0, tag .. '\\0' .. id) end
end
"""
# ARGV of insert and replace: where the rows end; five per row: id, score or "", nominal or "", parked or "", data; then
# id and tags (with NUL between them) of each row that has some.
_WRITE_ROW = (
    TAGS
    + """
local rows_end, tags = tonumber(ARGV[1]), {}
for i = rows_end + 1, #ARGV, 2 do tags[ARGV[i]] = ARGV[i + 1] end
local function write(i, is_new)
  local id, score, nominal, parked, data = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  redis.call('HSET', KEYS[1], id, data)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[5], id)
  if nominal == '' then redis.call('HDEL', KEYS[3], id) else redis.call('HSET', KEYS[3], id, nominal) end
  if parked == '' then redis.call('HDEL', KEYS[4], id) else redis.call('HSET', KEYS[4], id, parked) end
  if score ~= '' then redis.call('ZADD', parked == '' and KEYS[2] or KEYS[5], score, id) end
  if not is_new then untag(id) end
  if tags[id] then put_tags(id, tags[id]) end
end
"""
)
INSERT = (
    _WRITE_ROW
    + """
for i = 2, rows_end, 5 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then return ARGV[i] end
end
for i = 2, rows_end, 5 do write(i, true) end
return false
"""
)
REPLACE = (
    _WRITE_ROW
    + """
local missing = {}
for i = 2, rows_end, 5 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then write(i) else missing[#missing + 1] = ARGV[i] end
end
return missing
"""
)
# As above, but seven per row: first the least and the greatest score, or "" twice (none).
# Returns for each 1: written, 0: due at another time, -1: no such row.
REPLACE_IF = (
    _WRITE_ROW
    + """
local function replace(i)
  local id, least, greatest = ARGV[i + 2], tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  if redis.call('HEXISTS', KEYS[1], id) == 0 then return -1 end
  local score = tonumber(redis.call('ZSCORE', KEYS[2], id) or redis.call('ZSCORE', KEYS[5], id) or '')
  if score and not (least and score >= least and score <= greatest) or least and not score then return 0 end
  write(i + 2)
  return 1
end
local answers = {}
for i = 2, rows_end, 7 do answers[#answers + 1] = replace(i) end
return answers
"""
)
# ARGV: id, ... ; returns the ids that do not exist
DELETE = (
    TAGS
    + """
local missing = {}
for i = 1, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 0 then missing[#missing + 1] = ARGV[i] end
  redis.call('ZREM', KEYS[2], ARGV[i])
  redis.call('HDEL', KEYS[3], ARGV[i])
  redis.call('HDEL', KEYS[4], ARGV[i])
  redis.call('ZREM', KEYS[5], ARGV[i])
  untag(ARGV[i])
end
return missing
"""
)
# The change of a row, if it is due when it was expected to be. From ARGV[i]: id, least and greatest expected score,
# kind (move, remove, park), score or "" or the reason, nominal or "".
ONE_CHANGE = (
    TAGS
    + """
local jittered = redis.call('HLEN', KEYS[3]) > 0
local function change(i)
  local id, kind, value = ARGV[i], ARGV[i + 3], ARGV[i + 4]
  local score = redis.call('ZSCORE', KEYS[2], id)
  local at = tonumber(score)
  if not (at and at >= tonumber(ARGV[i + 1]) and at <= tonumber(ARGV[i + 2])) then return false end
  if kind == 'move' then
    if value == '' then redis.call('ZREM', KEYS[2], id) else redis.call('ZADD', KEYS[2], value, id) end
    if ARGV[i + 5] ~= '' then redis.call('HSET', KEYS[3], id, ARGV[i + 5])
    elseif jittered then redis.call('HDEL', KEYS[3], id) end
  elseif kind == 'remove' then
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[3], id)
    untag(id)
  else
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZADD', KEYS[5], score, id)
    redis.call('HSET', KEYS[4], id, value)
  end
  return true
end
"""
)
# ARGV: six per change
CHANGE = ONE_CHANGE + "for i = 1, #ARGV, 6 do change(i) end"
# ARGV: "1": only rows whose data is the one given; then three per row: id, reason or "" to end parking, data.
# Returns how many rows it changed.
SET_PARKED = """
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
READ_DUE = """
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

HEARD_OF = (INSERT, REPLACE, REPLACE_IF)  # by other schedulers, when the store is shared
SCRIPTS = (INSERT, REPLACE, REPLACE_IF, DELETE, CHANGE, SET_PARKED, READ_DUE)


def score_of(time_us: int | None) -> str:
    return "" if time_us is None else repr(seconds_from_us(time_us))


def scores_around(time_us: int | None) -> tuple[str, str]:
    """The scores that are this time."""
    if time_us is None:
        return "", ""
    least, greatest = seconds_around(time_us)
    return repr(least), repr(greatest)


def text_of(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def id_of(value: Any) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        return OddId.of(value)


def row_from(job_id: str, score: Any, nominal: Any, parked: Any, data: Any) -> JobRow:
    nominal_us = None if nominal is None else _int(nominal)
    return row_of(job_id, score, nominal_us, None if parked is None else text_of(parked), data)


def _int(digits: Any) -> int:
    try:
        return int(digits)
    except ValueError:  # somebody else wrote this
        return NO_TIME_US


def change_args(changes: Sequence[RowChange]) -> list[Any]:
    arguments: list[Any] = []
    for change in changes:
        kind, value = "move", score_of(change.run_at_us)
        if change.parked is not None:
            kind, value = "park", change.parked or "?"
        elif change.remove:
            kind, value = "remove", ""
        nominal = "" if change.nominal_us is None else change.nominal_us
        arguments += (change.id, *scores_around(change.expected_us), kind, value, nominal)
    return arguments


def row_args(rows: Sequence[JobRow], expected_us: Sequence[int | None] = ()) -> list[Any]:
    """With the times at which each row should be due, if these are given."""
    arguments: list[Any] = [0]
    tagged: list[Any] = []
    for row, due_us in zip_longest(rows, expected_us):
        if expected_us:
            arguments += scores_around(due_us)
        nominal = "" if row.nominal_us is None else row.nominal_us
        data = row.data
        arguments += (row.id, score_of(row.run_at_us), nominal, row.parked or "", data)
        if EXTRAS in data and (keys := keys_in(row)):
            tagged += (row.id, "\0".join(keys))
    arguments[0] = len(arguments)
    return arguments + tagged
