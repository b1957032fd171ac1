"""Scripts of a shared Redis store. Each is one step, by Redis's own clock.

Here: the language of Redis. Not here: who calls them, and when (`_redisshared`, `_scheduling.claims`). KEYS of every
script: the five of a store (jobs, run times, nominal, parked, parked run times), and

     6  .news         the channel on which schedulers tell each other that there is something to see
     7  .schedulers   hash  id -> "epoch pid started lease host", times in µs
     8  .heard        hash  id -> when it was heard of last
     9  .runs         hash  job id -> its runs under way, a line each: "first-run-time id epoch from last flag"; flag d:
                      the job is out of the store, and in the next one; else -; then, of a job with a group, ":group"
    10  .runs.jobs    hash  "first-run-time job-id" -> the job as it was, of a job's last run
    11  .runs.owners  hash  "id epoch" -> how many runs it has under way; "- 0": those that were handed back;
                      "~ 0": those in line
    12  .taken        hash  id -> what it has taken and not claimed yet: the time until which, and ids (msgpack)
    and the two of tags, as in each script of the store (`_redistags`)

A run's owner is "id epoch", so a later epoch of the same scheduler finds nothing of an earlier one.
"""

from __future__ import annotations

from ._redisscripts import ONE_CHANGE

_CLOCK = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local function us(value) return string.format('%.0f', value) end
local function is_member(id, epoch)
  local row = redis.call('HGET', KEYS[7], id)
  return row and string.match(row, '^%S+') == epoch
end
local function count(owner, number)
  if number ~= 0 and redis.call('HINCRBY', KEYS[11], owner, number) <= 0 then redis.call('HDEL', KEYS[11], owner) end
end
"""
# ARGV: id, epoch, pid, lease in µs, host
JOIN = (
    _CLOCK
    + """
redis.call('HSET', KEYS[7], ARGV[1], table.concat({ARGV[2], ARGV[3], us(now), ARGV[4], ARGV[5]}, ' '))
redis.call('HSET', KEYS[8], ARGV[1], us(now))
"""
)
# ARGV: id, epoch of who is alive, or "". Returns whether it still is a member, the time, and three hashes.
LOOK = (
    _CLOCK
    + """
local alive = 0
if ARGV[1] ~= '' and is_member(ARGV[1], ARGV[2]) then
  redis.call('HSET', KEYS[8], ARGV[1], us(now))
  alive = 1
end
return {alive, us(now), redis.call('HGETALL', KEYS[7]), redis.call('HGETALL', KEYS[8]), redis.call('HGETALL', KEYS[11])}
"""
)
# ARGV: id, epoch
LEAVE = (
    _CLOCK
    + """
if is_member(ARGV[1], ARGV[2]) then
  for _, key in ipairs({7, 8, 12}) do redis.call('HDEL', KEYS[key], ARGV[1]) end
  if redis.call('HEXISTS', KEYS[11], ARGV[1] .. ' ' .. ARGV[2]) == 1 then redis.pcall('PUBLISH', KEYS[6], '') end
end
"""
)
# ARGV: id, highest score, limit, µs for which nobody else is given these.
# Returns id, score, data, nominal of each row, earliest first.
TAKE = (
    _CLOCK
    + """
local others, ids, scores = {}, {}, {}
redis.call('HDEL', KEYS[12], ARGV[1])
local taken = redis.call('HGETALL', KEYS[12])
for i = 1, #taken, 2 do
  local batch = cmsgpack.unpack(taken[i + 1])
  if batch[1] > now then
    for j = 2, #batch do others[batch[j]] = true end
  else
    redis.call('HDEL', KEYS[12], taken[i])
  end
end
local limit, first = tonumber(ARGV[3]), 0
local page = math.max(limit, 512)
repeat
  local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'WITHSCORES', 'LIMIT', first, page)
  for i = 1, #due, 2 do
    if #ids < limit and not others[due[i]] then
      ids[#ids + 1] = due[i]
      scores[#scores + 1] = due[i + 1]
    end
  end
  first = first + page
until #ids >= limit or #due < 2 * page
local rows, batch = {}, {now + tonumber(ARGV[4])}
local jittered = redis.call('HLEN', KEYS[3]) > 0
for from = 1, #ids, 1000 do
  local to = math.min(from + 999, #ids)
  local data = redis.call('HMGET', KEYS[1], unpack(ids, from, to))
  local nominal = jittered and redis.call('HMGET', KEYS[3], unpack(ids, from, to))
  for i = from, to do
    if data[i - from + 1] then
      batch[#batch + 1] = ids[i]
      rows[#rows + 1] = ids[i]
      rows[#rows + 1] = scores[i]
      rows[#rows + 1] = nominal and nominal[i - from + 1]
      rows[#rows + 1] = data[i - from + 1]
    else
      redis.call('ZREM', KEYS[2], ids[i])
    end
  end
end
if #batch > 1 then redis.call('HSET', KEYS[12], ARGV[1], cmsgpack.pack(batch)) end
return rows
"""
)
# ARGV: id
LET_GO = "return redis.call('HDEL', KEYS[12], ARGV[1])"
# ARGV: id, epoch, number of runs; fourteen per run: what becomes of the job (six, as those of a change), first and last
# run time, places, group or "", places in it, how many may be in line, "1" if it takes their place, the first run time
# of one in line; then six per change without a run. Returns 0: no member any more, nothing was written; else 1, ids of
# jobs that are gone, of those that are busy, of those in line, and id and run of each that was in line before. Said
# twice (the answer was lost), it finds its runs and adds none.
CLAIM = (
    _CLOCK
    + """
redis.call('HDEL', KEYS[12], ARGV[1])
if not is_member(ARGV[1], ARGV[2]) then return {0} end
"""
    + ONE_CHANGE
    + """
local owner, runs, gone, busy, put = ARGV[1] .. ' ' .. ARGV[2], 3 + 14 * tonumber(ARGV[3]), {}, {}, 0
local lined, replaced, waiting = {}, {}, 0
local in_groups, line_groups = nil, {}
local function in_group(group)  -- one look at the runs of all, for all groups
  if not in_groups then
    in_groups = {}
    for _, lines in ipairs(redis.call('HVALS', KEYS[9])) do
      for whose, its in string.gmatch(lines, '%S+ (%S+ %S+) %S+ %S+ .:([^\\n]+)') do
        if whose == '~ 0' then line_groups[its] = true
        elseif whose ~= owner then in_groups[its] = (in_groups[its] or 0) + 1 end
      end
    end
  end
  return in_groups[group] or 0
end
local function leave_line(id, under_way)  -- what was in line of a job
  local kept = {}
  for line in string.gmatch(under_way or '', '[^\\n]+') do
    local its, whose = string.match(line, '^(%S+) (%S+ %S+) ')
    if whose == '~ 0' then
      replaced[#replaced + 1], replaced[#replaced + 2] = id, its
      redis.call('HDEL', KEYS[10], its .. ' ' .. id)
      waiting = waiting - 1
    else
      kept[#kept + 1] = line
    end
  end
  return #kept > 0 and table.concat(kept, '\\n')
end
for i = 4, runs, 14 do
  local id, run, group = ARGV[i], ARGV[i + 6], ARGV[i + 9]
  local under_way = redis.call('HGET', KEYS[9], id)
  local elsewhere, in_line, same, mine = 0, 0, false, false
  for line in string.gmatch(under_way or '', '[^\\n]+') do
    local its, whose = string.match(line, '^(%S+) (%S+ %S+) ')
    if whose == '~ 0' then in_line = in_line + 1 elseif whose ~= owner then elsewhere = elsewhere + 1 end
    if its == run then same, mine = true, whose == owner end
  end
  local data = ARGV[i + 3] == 'remove' and redis.call('HGET', KEYS[1], id)
  if not change(i) then
    if not mine then gone[#gone + 1] = id end
  elseif same then
    busy[#busy + 1] = id
  else
    local flag, whose, from = data and 'd' or '-', owner, run
    if group ~= '' then flag = flag .. ':' .. group end
    if elsewhere >= tonumber(ARGV[i + 8]) or in_line > 0
      or group ~= '' and (in_group(group) >= tonumber(ARGV[i + 10]) or line_groups[group]) then
      local waits, replaces = tonumber(ARGV[i + 11]), ARGV[i + 12] == '1'
      if replaces then
        under_way = leave_line(id, under_way)
        redis.pcall('PUBLISH', KEYS[6], '')
      end
      whose = waits > 0 and (replaces or in_line < waits) and '~ 0'
      from = ARGV[i + 13]
    elseif group ~= '' then
      in_groups[group] = in_group(group) + 1
    end
    if not whose then
      busy[#busy + 1] = id
    else
      local line = table.concat({run, whose, from, ARGV[i + 7], flag}, ' ')
      redis.call('HSET', KEYS[9], id, under_way and (under_way .. '\\n' .. line) or line)
      if data then redis.call('HSET', KEYS[10], run .. ' ' .. id, data) end
      if whose == owner then put = put + 1
      else
        lined[#lined + 1], waiting = id, waiting + 1
        if group ~= '' then line_groups[group] = true end
      end
    end
  end
end
count(owner, put)
count('~ 0', waiting)
for i = runs + 1, #ARGV, 6 do change(i) end
return {1, gone, busy, lined, replaced}
"""
)
# ARGV: id, epoch, number of runs that ended; job id and first run time of each; then four per run that goes on: job id,
# first run time, the first of its run times that did not end, whose it is from now on ("": who writes this)
WRITE = (
    _CLOCK
    + """
local owner, given = ARGV[1] .. ' ' .. ARGV[2], 0
local function edit(id, run, edited)
  local under_way = redis.call('HGET', KEYS[9], id)
  local kept, found = {}, 0
  for line in string.gmatch(under_way or '', '[^\\n]+') do
    local its, whose, last, flag = string.match(line, '^(%S+) (%S+ %S+) %S+ (%S+) (%S+)$')
    if its ~= run or whose ~= owner then
      kept[#kept + 1] = line
    else
      found = 1
      if edited then kept[#kept + 1] = table.concat({run, edited, last, flag}, ' ')
      elseif string.sub(flag, 1, 1) == 'd' then redis.call('HDEL', KEYS[10], run .. ' ' .. id) end
    end
  end
  if #kept == 0 then redis.call('HDEL', KEYS[9], id)
  elseif found == 1 then redis.call('HSET', KEYS[9], id, table.concat(kept, '\\n')) end
  return found
end
local ended, over = 3 + 2 * tonumber(ARGV[3]), 0
for i = 4, ended, 2 do over = over + edit(ARGV[i], ARGV[i + 1], nil) end
for i = ended + 1, #ARGV, 4 do
  local whose = ARGV[i + 3]
  if whose ~= '' then
    local found = edit(ARGV[i], ARGV[i + 1], whose .. ' ' .. ARGV[i + 2])
    count(whose, found)
    given = given + found
  else edit(ARGV[i], ARGV[i + 1], owner .. ' ' .. ARGV[i + 2]) end
end
count(owner, -over - given)
if given > 0 then redis.pcall('PUBLISH', KEYS[6], '') end
"""
)
# ARGV: id, epoch; id, epoch of the one whose runs are taken.
# Returns job id, first run time, from, last, data or nil, of each run.
TAKE_OVER = (
    _CLOCK
    + """
local me, owner, rows, taken = ARGV[1] .. ' ' .. ARGV[2], ARGV[3] .. ' ' .. ARGV[4], {}, 0
if not is_member(ARGV[1], ARGV[2]) then return rows end
if is_member(ARGV[3], ARGV[4]) then
  local lease = tonumber(string.match(redis.call('HGET', KEYS[7], ARGV[3]), '^%S+ %S+ %S+ (%S+)'))
  if tonumber(redis.call('HGET', KEYS[8], ARGV[3]) or '0') + lease >= now then return rows end
  for _, key in ipairs({7, 8, 12}) do redis.call('HDEL', KEYS[key], ARGV[3]) end
end
if redis.call('HDEL', KEYS[11], owner) == 0 then return rows end
local all = redis.call('HGETALL', KEYS[9])
for i = 1, #all, 2 do
  if string.find(all[i + 1], ' ' .. owner .. ' ', 1, true) then
    local id, kept = all[i], {}
    for line in string.gmatch(all[i + 1], '[^\\n]+') do
      local run, whose, from, last, flag = string.match(line, '^(%S+) (%S+ %S+) (%S+) (%S+) (%S+)$')
      if whose == owner then
        line = table.concat({run, me, from, last, flag}, ' ')
        taken = taken + 1
        for _, value in ipairs({id, run, from, last}) do rows[#rows + 1] = value end
        rows[#rows + 1] = string.sub(flag, 1, 1) == 'd' and redis.call('HGET', KEYS[10], run .. ' ' .. id)
      end
      kept[#kept + 1] = line
    end
    redis.call('HSET', KEYS[9], id, table.concat(kept, '\\n'))
  end
end
count(me, taken)
return rows
"""
)
# ARGV: id, epoch; five per run in line: job id, first run time, places, group or "", places in it.
# Returns job id, first run time, from, last, data or nil, group or "", of each that is ours now.
BEGIN = (
    _CLOCK
    + """
local me, rows, taken, of_jobs, of_groups = ARGV[1] .. ' ' .. ARGV[2], {}, 0, {}, {}
if not is_member(ARGV[1], ARGV[2]) then return rows end
local all = redis.call('HGETALL', KEYS[9])
for i = 1, #all, 2 do
  for whose, flag in string.gmatch(all[i + 1], '%S+ (%S+ %S+) %S+ %S+ (%S+)') do
    if whose ~= '~ 0' then
      local group = string.sub(flag, 3)
      of_jobs[all[i]] = (of_jobs[all[i]] or 0) + 1
      of_groups[group] = (of_groups[group] or 0) + 1
    end
  end
end
for i = 3, #ARGV, 5 do
  local id, run, group = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local job, all_of = of_jobs[id] or 0, of_groups[group] or 0
  if job < tonumber(ARGV[i + 2]) and (group == '' or all_of < tonumber(ARGV[i + 4])) then
    local kept, found = {}, false
    for line in string.gmatch(redis.call('HGET', KEYS[9], id) or '', '[^\\n]+') do
      local its, whose, from, last, flag = string.match(line, '^(%S+) (%S+ %S+) (%S+) (%S+) (%S+)$')
      if its == run and whose == '~ 0' then
        found, line = true, table.concat({run, me, from, last, flag}, ' ')
        for _, value in ipairs({id, run, from, last}) do rows[#rows + 1] = value end
        rows[#rows + 1] = string.sub(flag, 1, 1) == 'd' and redis.call('HGET', KEYS[10], run .. ' ' .. id)
        rows[#rows + 1] = string.sub(flag, 3)
      end
      kept[#kept + 1] = line
    end
    if found then
      redis.call('HSET', KEYS[9], id, table.concat(kept, '\\n'))
      of_jobs[id], of_groups[group], taken = job + 1, all_of + 1, taken + 1
    end
  end
end
count(me, taken)
count('~ 0', -taken)
return rows
"""
)
CLAIM_SCRIPTS = (JOIN, LOOK, LEAVE, TAKE, LET_GO, CLAIM, WRITE, TAKE_OVER, BEGIN)
#: before a script of the store whose outcome others want to hear of
TELLING = "redis.pcall('PUBLISH', KEYS[6], '')\n"
