-- Moves up to n jobs from the queues to a worker, in the order of the queues, and mints their tokens.
--
-- KEYS  queues in the order in which they are to be emptied; one may come twice
-- ARGV  1 incarnation   2 n   3 result TTL, 4 record TTL and 5 time to queue of jobs that came by send_task, milliseconds
--       6 number of this take, which the worker gives to no other   7… per queue: how many jobs at most, 0 for n
-- Returns false when the worker is fenced, else per job six items: id, token, queue, message, '1' if it must run alone, '2' if its
-- process must answer its example before,
-- milliseconds in which it must start. A flat list: Redis 6 writes each list within a list by a system call of its own.

local AT_ONCE = 1000
local incarnation, wanted = ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', WORKERS, incarnation) == 0 then
  return false
end

local now, taken, count, held = now_ms(), {}, 0, {}
-- A Redis that went back to an older state gives out anew what it gave out before; the number tells them apart. The
-- time is for the job's timeline: here it costs no field of its own.
local take_and_holder = string.format('.%s.%d:%s', ARGV[6], now, incarnation)

-- Anybody may push a task by send_task; its record is made here. A message of ours without a record is one whose job
-- ended long ago.
local function adopt(id, queue, message)
  if string.find(message, '"athena":', 1, true) then
    return false
  end
  local service_id = string.match(queue, '^[^.]*')
  redis.call('HSET', JOB .. id, 'state', 'queued', 'queue', queue, 'queued_ms', now, 'service_id', service_id,
    'bytes', #message, 'result_ttl_ms', ARGV[3], 'record_ttl_ms', ARGV[4], 'max_queue_ms', ARGV[5],
    'expires_ms', now + tonumber(ARGV[5]))
  redis.call('ZADD', OPEN .. service_id, now + tonumber(ARGV[5]), id)
  redis.call('HINCRBY', LOAD .. service_id, 'bytes', #message)
  redis.call('HINCRBY', COUNTS .. service_id, 'in ' .. lane_of(queue), 1)
  return true
end

local function read(id)
  return redis.call('HMGET', JOB .. id, 'state', 'expires_ms', 'attempts', 'token', 'seq', 'alone', 'meter', 'service_id')
end

-- Returns the job's number in its queue, if it was taken.
local function take(queue, message)
  local id = string.match(message, '"id": ?"([^"]+)"')
  if not id then return end
  local key = JOB .. id
  local known = read(id)
  if not known[1] then
    if not adopt(id, queue, message) then return end
    known = read(id)
  end
  local state = known[1]
  if expire_if_overdue(id, now, state, known[2], known[4], message) then return end
  if state ~= 'queued' then
    keep_message(id, message, state)
    return
  end
  -- A second copy of a message that some worker holds: the token in the record says so.
  if known[4] and known[4] ~= '' then return end
  local attempt = (tonumber(known[3]) or 0) + 1
  local token = attempt .. take_and_holder
  held[#held + 1] = id
  held[#held + 1] = message
  if known[6] then
    -- A worker died under it before. Its start is told before it starts, so that the next death is counted too.
    redis.call('HSET', key, 'token', token, 'state', 'running', 'started_ms', now, 'attempts', attempt)
  else
    redis.call('HSET', key, 'token', token)
  end
  local left_ms, place = tonumber(known[2] or now) - now, #taken
  taken[place + 1], taken[place + 2], taken[place + 3], taken[place + 4] = id, token, queue, message
  taken[place + 5], taken[place + 6] = known[6] or '', left_ms
  count = count + 1
  if known[7] then
    meter_queued(known[7], known[8], -1)
  end
  return tonumber(known[5])
end

local silent, failure = {}, false

local function take_from(queue, goal)
  local last, is_sound = false, true
  while count < goal and is_sound do
    local messages = redis.call('RPOP', queue, math.min(goal - count, AT_ONCE))
    if not messages then break end
    for _, message in ipairs(messages) do
      -- A job whose keys are not what they should be stays in the queue, where it is seen, behind the others.
      local ok, result = pcall(take, queue, message)
      if ok then
        last = result or last
      else
        redis.call('LPUSH', queue, message)
        is_sound, failure = false, result
      end
    end
    if #held > 0 then
      redis.call('HSET', INFLIGHT .. incarnation, unpack(held))
      held = {}
    end
  end
  if last then
    redis.call('HSET', LINE .. queue, 'out', last)
  end
end

for i, queue in ipairs(KEYS) do
  local limit, is_silent = tonumber(ARGV[6 + i]), redis.call('LLEN', queue) == 0
  if not is_silent then
    is_silent = redis.call('HEXISTS', LINE .. queue, 'paused') == 1
  end
  if not is_silent then
    take_from(queue, limit > 0 and math.min(wanted, count + limit) or wanted)
    is_silent = redis.call('LLEN', queue) == 0
  end
  if is_silent then
    silent[#silent + 1] = BELL .. queue
  else
    ring(queue)
  end
end
if #silent > 0 then
  redis.call('DEL', unpack(silent))
end
close_books()
if failure and count == 0 then
  error(failure)
end
return taken
