"""Which jobs of a Redis store have a tag, or an owner, by which `get_jobs(tag=…)` needs no look at each row.

Here: `RedisTags`, a part of the store: its questions, and how what was there before is put in. Not here: what keeps it
right (`TAGS` in `_redisscripts`, in the script of each write). Two keys beside the jobs:

    .tags      zset  tag (or owner, see `_tagkeys`), NUL and id of each job with tags, all of one score, and so in the
                     order of bytes: a page of a tag's jobs is a range; and _FULL, when all rows are in it
    .tags.of   hash  id -> its tags, with NUL between them: what is to be forgotten when the job is changed or removed

Invariant: what a job's row says, the index says; it may say more (of a job that somebody removed who knows of no index,
or of another tag with the same key), so whatever is found is read, with the row in the same script, and looked at. Who
finds it not full puts in the rows that are there, while others write: they write their own tags themselves. Deleting
the first key makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._serialization.rows import JobRow
from .._states import PARKED, SCHEDULED
from ._question import OWNED, Question
from ._redisscripts import TAGS, id_of, row_from
from ._rowstore import RowStore
from ._tagkeys import key_of, keys_in

if TYPE_CHECKING:
    from ..job import Job

_PAGE = 500
_AT_ONCE = 1000  # rows that are looked at, or put in, by one script
_FULL = "\0owners"  # when these were not in it yet, it was "\0"
# ARGV: _FULL, four of each script's own, tags
_RAREST = (
    TAGS
    + """
if not redis.call('ZSCORE', tag_index, ARGV[1]) then return false end
local first, fewest
for i = 6, #ARGV do  -- the rarest is gone through, the others are looked up
  local number = redis.call('ZLEXCOUNT', tag_index, '[' .. ARGV[i] .. '\\0', '(' .. ARGV[i] .. '\\1')
  if not fewest or number < fewest then first, fewest = i, number end
end
local start = ARGV[first] .. '\\0'
"""
)
# ARGV: _FULL, limit, how many are looked at at most, "1": may write, "[" and the first id or "(" and the one before it,
# tags. Returns nothing when not all rows are in the index; else the last id looked at (nothing: that was the end), then
# id, score or nil, nominal or nil, parked or nil, data of each row with all tags, by id.
FIND = (
    _RAREST
    + """
local from = string.sub(ARGV[5], 1, 1) .. start .. string.sub(ARGV[5], 2)
local limit, looked, rows = tonumber(ARGV[2]), tonumber(ARGV[3]), {false}
local page = redis.call('ZRANGEBYLEX', tag_index, from, '(' .. ARGV[first] .. '\\1', 'LIMIT', 0, looked)
for number, member in ipairs(page) do
  local id, has = string.sub(member, #start + 1), true
  for i = 6, #ARGV do
    has = has and (i == first or redis.call('ZSCORE', tag_index, ARGV[i] .. '\\0' .. id))
  end
  if has then
    local data = redis.call('HGET', KEYS[1], id)
    if data then
      rows[#rows + 1] = id
      rows[#rows + 1] = redis.call('ZSCORE', KEYS[2], id) or redis.call('ZSCORE', KEYS[5], id)
      rows[#rows + 1] = redis.call('HGET', KEYS[3], id)
      rows[#rows + 1] = redis.call('HGET', KEYS[4], id)
      rows[#rows + 1] = data
    elseif ARGV[4] == '1' then
      redis.call('ZREM', tag_index, member)
      untag(id)
    end
  end
  if number == looked or #rows > 5 * limit then
    rows[1] = id
    break
  end
end
return rows
"""
)
# ARGV: _FULL, how many are looked at at most, "[" and the first id or "(" and the one before it, the beginning of ids,
# state or "", tags. Returns nothing when not all rows are in the index; else the last id looked at (nothing: that was
# the end), and how many of them there are.
COUNT = (
    _RAREST
    + """
local prefix, state, found = ARGV[4], ARGV[5], 0
local from = string.sub(ARGV[3], 1, 1) .. start .. string.sub(ARGV[3], 2)
local looked, last = tonumber(ARGV[2]), false
local page = redis.call('ZRANGEBYLEX', tag_index, from, '(' .. ARGV[first] .. '\\1', 'LIMIT', 0, looked)
local function is_so(id)
  if state == '' then return true end
  if redis.call('HEXISTS', KEYS[4], id) == 1 then return state == 'parked' end
  return state == (redis.call('ZSCORE', KEYS[2], id) and 'scheduled' or 'paused')
end
local function has_all(id)
  local data = redis.call('HGET', KEYS[1], id)
  local is_json, row = pcall(cjson.decode, data or '')
  local extras = is_json and type(row) == 'table' and row.extras
  if type(extras) ~= 'table' then return false end
  local keys = {}
  for _, tag in ipairs(type(extras.tags) == 'table' and extras.tags or {}) do
    -- else it would be taken for an owner
    if type(tag) == 'string' and string.sub(tag, 1, 1) ~= '\\1' then keys[tag] = true end
  end
  if type(extras.owner) == 'string' then keys['\\1' .. extras.owner] = true end
  for i = 6, #ARGV do
    if not keys[ARGV[i]] then return false end
  end
  return true
end
for number, member in ipairs(page) do
  local id = string.sub(member, #start + 1)
  if string.sub(id, 1, #prefix) ~= prefix then return {false, found} end
  local may = is_so(id)
  for i = 6, #ARGV do
    may = may and (i == first or redis.call('ZSCORE', tag_index, ARGV[i] .. '\\0' .. id))
  end
  if may and has_all(id) then found = found + 1 end
  if number == looked then last = id end
end
return {last, found}
"""
)
# How many there are, how many have a run time and are not parked, how many are parked.
COUNT_ALL = "return {redis.call('HLEN', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('HLEN', KEYS[4])}"
# ARGV: id and tags of rows that were there. What their writers put in meanwhile is left.
FILL = (
    TAGS
    + """
for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    local known = redis.call('HGET', tags_of, ARGV[i])
    put_tags(ARGV[i], known and known ~= ARGV[i + 1] and known .. '\\0' .. ARGV[i + 1] or ARGV[i + 1])
  end
end
"""
)
TAG_SCRIPTS = (FIND, FILL, COUNT, COUNT_ALL)


def _start(question: Question, after: str | None) -> bytes:
    """The end of a range of ids, as a script takes it."""
    least = question.prefix or ""
    start = f"[{least}" if after is None or after < least else f"({after}"
    return start.encode("utf-8", "surrogatepass")


class RedisTags(RowStore):
    """See the head of this file."""

    redis: Any
    jobs_key: str
    _keys: tuple[str, ...]
    _run: Any
    _only_looks = False

    def _find_jobs(self, question: Question) -> list[Job]:
        if not question.keys:
            return super()._find_jobs(question)
        if "" in question.tags:  # no job has that, and there the mark is
            return []
        found: list[Job] = []
        after: str | None = question.after
        limit = question.limit
        while limit is None or len(found) < limit:
            page = _PAGE if limit is None or question.state is not None else min(_PAGE, limit - len(found))
            answer = self._page(question, after, page)
            if answer is None:  # there is no index, and none may be made
                return super()._find_jobs(question)
            after, rows = answer
            parked = [row.id for row in rows if row.parked is not None]
            found += [job for job in self._jobs(rows) if question.takes(job, parked)]
            if after is None or not after.startswith(question.prefix or ""):
                break
        return found[:limit]

    def _page(
        self, question: Question, after: str | None, limit: int
    ) -> tuple[str | None, list[JobRow]] | None:
        arguments: list[Any] = [_FULL, limit, _AT_ONCE, "" if self._only_looks else "1"]
        arguments += (_start(question, after), *map(key_of, question.keys))
        answer = self._asked(FIND, arguments)
        if answer is None:
            return None
        last, *columns = answer
        rows = [
            row_from(id_of(job_id), None if score is None else float(score), nominal, parked, data)
            for job_id, score, nominal, parked, data in zip(*[iter(columns)] * 5, strict=True)
        ]
        return None if last is None else id_of(last), rows

    def _asked(self, script: str, arguments: list[Any]) -> Any:
        """What a script says that asks the index; None: there is none, and none may be made."""
        answer = self._run(script, arguments)
        if answer is None and not self._only_looks:
            self._fill()
            answer = self._run(script, arguments)
        return answer

    def _count_jobs(self, question: Question) -> int:
        if not question.keys and not question.prefix and question.after is None:
            total, scheduled, parked = self._run(COUNT_ALL, [])
            numbers = {None: total, SCHEDULED: scheduled, PARKED: parked}
            number: int = numbers.get(question.state, total - scheduled - parked)
            return number
        odd = [one for one in question.keys if key_of(one) != one or one in ("", OWNED)]
        if not question.keys or odd or any(tag.startswith(OWNED) for tag in question.tags):
            return super()._count_jobs(question)
        number, after = 0, question.after
        while True:
            arguments = [
                _FULL,
                _AT_ONCE,
                _start(question, after),
                (question.prefix or "").encode("utf-8", "surrogatepass"),
                question.state or "",
            ]
            answer = self._asked(COUNT, [*arguments, *question.keys])
            if answer is None:
                return super()._count_jobs(question)
            last, found = answer
            number += found
            if last is None:
                return number
            after = id_of(last)

    def _fill(self) -> None:
        arguments: list[str] = []
        for job_id, keys in self._tagged():
            arguments += (job_id, "\0".join(keys))
            if len(arguments) >= 2 * _AT_ONCE:
                self._run(FILL, arguments)
                arguments = []
        if arguments:
            self._run(FILL, arguments)
        self._retried(lambda: self.redis.zadd(self._keys[-2], {_FULL: 0}))

    def _tagged(self) -> Iterator[tuple[str, list[str]]]:
        """Id and tags of each job with tags."""
        for job_id, data in self.redis.hscan_iter(self.jobs_key, count=_AT_ONCE):
            keys = keys_in(row_from(id_of(job_id), None, None, None, data))
            if keys:
                yield job_id.decode(), keys

    @staticmethod
    def _retried(call: Any) -> Any:
        raise NotImplementedError
