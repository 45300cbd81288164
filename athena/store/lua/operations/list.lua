-- Lists jobs of a sorted set from a place on, and looks at so many at most: whatever else comes and goes there, the jobs
-- behind the place stay behind it.
--
-- KEYS  1 the sorted set
-- ARGV  1 '1' to go downwards   2 score and 3 id of the place, both '' to begin   4 how many to return at most
--       5 how many to look at   6 state, 7 app_id, 8 service_id, '' for any   9 '1' for jobs that only their callers know
--       10 code, '' for any   11 when they ended, or were queued if they have not, at the earliest   12 and at the latest,
--       0 for any
-- Returns {how many were looked at, score and id of the last of them, both '' at the end, the time in milliseconds; then
-- per job: id, fields of the record}

local key, downwards, score, id = KEYS[1], ARGV[1] == '1', ARGV[2], ARGV[3]
local wanted, look = tonumber(ARGV[4]), tonumber(ARGV[5])

-- `abandonable` of a gateway's own jobs.
local CANARY = '2'

-- Redis orders members byte by byte, Lua texts by the locale.
local function precedes(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

-- How many members come before a place.
local function count_before(place_id)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + redis.call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if precedes(redis.call('ZRANGE', key, middle, middle)[1], place_id) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function first_rank(count)
  if score == '' then return 0 end
  if downwards then return count - count_before(id) end
  return count_before(id .. '\0')
end

local code, since_ms, until_ms = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])

local function is_in_time(queued_ms, finished_ms)
  local at_ms = tonumber(finished_ms or queued_ms) or 0
  return at_ms >= since_ms and (until_ms == 0 or at_ms <= until_ms)
end

-- The jobs of an ability are those of all its versions.
local function is_of(service_id)
  return service_id == ARGV[8] or string.match(service_id, '^[^@]*') == ARGV[8]
end

local function is_wanted(state, app_id, service_id, only_caller_knows, queued_ms, finished_ms, own_code)
  return state and only_caller_knows ~= CANARY and (ARGV[6] == '' or state == ARGV[6])
    and (ARGV[7] == '' or app_id == ARGV[7]) and (ARGV[8] == '' or is_of(service_id or ''))
    and (ARGV[9] ~= '1' or only_caller_knows) and (code == '' or (own_code or '0') == code)
    and is_in_time(queued_ms, finished_ms)
end

local count = redis.call('ZCARD', key)
local first = first_rank(count)
local members = redis.call(downwards and 'ZREVRANGE' or 'ZRANGE', key, first, first + look - 1, 'WITHSCORES')
local found, looked = {}, 0
while looked < #members / 2 and #found < 2 * wanted do
  id, score = members[2 * looked + 1], members[2 * looked + 2]
  looked = looked + 1
  if is_wanted(unpack(redis.call('HMGET', JOB .. id, 'state', 'app_id', 'service_id', 'abandonable', 'queued_ms',
      'finished_ms', 'code'))) then
    found[#found + 1] = id
    found[#found + 1] = redis.call('HGETALL', JOB .. id)
  end
end
-- What ended before is of no interest, nor what comes behind it.
local is_past = downwards and score ~= '' and tonumber(score) < since_ms
if first + looked >= count or is_past then
  score, id = '', ''
end
return {looked, score, id, now_ms(), unpack(found)}
