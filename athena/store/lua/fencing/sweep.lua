-- What must happen to an ability's jobs without anybody asking: overdue ones expire, books stay true, and jobs move
-- whose GPU type has lost its last worker, or that another Celery client sent with a priority; queues of GPUs that are
-- gone are forgotten; jobs that were put off come back. Idempotent.
--
-- KEYS  queues of the ability; others are known by QUEUES
-- ARGV  1 service_id   2 milliseconds that ended jobs are listed   3 milliseconds that dead letters are listed
--       4 '1' to be thorough: to count the bytes of open jobs anew, and to look after an ability without jobs too
--       5 where jobs of other targets than 6… move, '' for nowhere
--       6… targets that have workers; none if nobody knows yet
-- Returns the number of jobs that expired

local LIMIT, MOVED, COUNTED, RECHECK_MS, STRAY_MS = 200, 500, 5000, 60000, 60000

-- Where kombu puts messages of a priority: its own steps, and all that a client may have chosen.
local PRIORITY, USUAL_STEPS, ALL_STEPS = '\6\22', {3, 6, 9}, {1, 2, 3, 4, 5, 6, 7, 8, 9}

local service_id, steps = ARGV[1], ARGV[4] == '1' and ALL_STEPS or USUAL_STEPS
local open, listed = OPEN .. service_id, redis.call('SMEMBERS', QUEUES .. service_id)

-- Most abilities have no jobs most of the time: one look at all their keys, where the rest takes one for each.
local function is_idle()
  local keys = {open, LATER .. service_id}
  for _, names in ipairs({KEYS, listed}) do
    for _, queue in ipairs(names) do
      keys[#keys + 1] = queue
      for _, step in ipairs(steps) do
        keys[#keys + 1] = queue .. PRIORITY .. step
      end
    end
  end
  return redis.call('EXISTS', unpack(keys)) == 0 and redis.call('HEXISTS', LOAD .. service_id, 'bytes') == 0
end

if ARGV[4] ~= '1' and is_idle() then
  return 0
end

admit_writes()
local now, expired = now_ms(), 0

for _, id in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', now, 'LIMIT', 0, LIMIT)) do
  local known = redis.call('HMGET', JOB .. id, 'state', 'expires_ms', 'token')
  if not known[1] or FINAL[known[1]] then
    redis.call('ZREM', open, id)
  elseif expire_if_overdue(id, now, known[1], known[2], known[3], '') then
    expired = expired + 1
  else
    -- A worker holds it, and sees to it itself.
    redis.call('ZADD', open, now + RECHECK_MS, id)
  end
end
close_books()

for _, message in ipairs(redis.call('ZRANGEBYSCORE', LATER .. service_id, '-inf', now, 'LIMIT', 0, LIMIT)) do
  recall(service_id, message)
end

local queues = {}
for _, queue in ipairs(KEYS) do
  queues[queue] = true
end
for _, queue in ipairs(listed) do
  queues[queue] = true
end

-- Workers take from the queue alone: lanes are queues here, and the number of a priority says nothing more.
local function gather(queue)
  local moved = 0
  for _, step in ipairs(steps) do
    while moved < MOVED and redis.call('RPOPLPUSH', queue .. PRIORITY .. step, queue) do
      moved = moved + 1
    end
  end
  if moved > 0 then
    enroll(service_id, queue)
    ring(queue)
  end
end

for queue in pairs(queues) do
  gather(queue)
end

-- Messages of final jobs go when a worker comes to them. While there is none they would count as a backlog.
local function drop_ended(queue)
  local last = false
  for _ = 1, LIMIT do
    local message = redis.call('LINDEX', queue, -1)
    local id = message and string.match(message, '"id": ?"([^"]+)"')
    local known = id and redis.call('HMGET', JOB .. id, 'state', 'seq') or {}
    if not known[1] or not FINAL[known[1]] then break end
    redis.call('RPOP', queue)
    keep_message(id, message, known[1])
    last = known[2] or last
  end
  if last then
    redis.call('HSET', LINE .. queue, 'out', last)
  end
end

for queue in pairs(queues) do
  drop_ended(queue)
end

local is_live, fallback = {}, ARGV[5]
for i = 6, #ARGV do
  is_live[ARGV[i]] = true
end

-- A queue's target and its lane, '' or with a point before it.
local function parts(queue)
  local target = string.sub(queue, #service_id + 2)
  local lane = string.match(target, '%.high$') or string.match(target, '%.low$') or ''
  return string.sub(target, 1, #target - #lane), lane
end

local function is_gpu(target)
  local prefix = string.sub(target, 1, 4)
  return prefix == 'GPU-' or prefix == 'MIG-'
end

local function move(queue, target, lane)
  local last, moved = false, 0
  for _ = 1, MOVED do
    local message = redis.call('RPOP', queue)
    if not message then break end
    local id = string.match(message, '"id": ?"([^"]+)"')
    local known = id and redis.call('HMGET', JOB .. id, 'state', 'seq', 'home') or {}
    -- A pinned job goes where its caller would have it without the pin.
    local home = is_gpu(target) and (known[3] or 'any')
    local other = service_id .. '.' .. (home and is_live[home] and home or fallback) .. lane
    if known[1] then
      redis.call('HSET', JOB .. id, 'queue', other, 'seq', redis.call('HINCRBY', LINE .. other, 'in', 1))
      last, moved = known[2] or last, moved + 1
    end
    if redis.call('LPUSH', other, message) == 1 then
      enroll(service_id, other)
    end
    ring(other)
  end
  if last then
    redis.call('HSET', LINE .. queue, 'out', last)
  end
  if moved > 0 then
    redis.call('HINCRBY', COUNTS .. service_id, 'moved ' .. lane_of(queue), moved)
  end
end

if fallback ~= '' then
  for queue in pairs(queues) do
    local target, lane = parts(queue)
    if not is_live[target] and redis.call('EXISTS', queue) == 1
        and redis.call('HEXISTS', LINE .. queue, 'paused') == 0 then
      move(queue, target, lane)
    end
  end
end

-- Partitions come and go under new names each time.
for _, queue in ipairs(listed) do
  local target = parts(queue)
  if #ARGV > 5 and is_gpu(target) and not is_live[target] and redis.call('EXISTS', queue) == 0 then
    local is_paused = redis.call('HEXISTS', LINE .. queue, 'paused') == 1
    if not is_paused or redis.call('HEXISTS', LINE .. service_id, 'paused') == 1 then
      redis.call('SREM', QUEUES .. service_id, queue)
      -- What it has accepted stays counted.
      local given_in = tonumber(redis.call('HGET', LINE .. queue, 'in')) or 0
      if given_in > 0 then
        redis.call('HINCRBY', COUNTS .. service_id, 'in ' .. lane_of(queue), given_in)
      end
      redis.call('UNLINK', LINE .. queue, BELL .. queue)
    end
  end
end

local function count_job(right, id)
  local known = redis.call('HMGET', JOB .. id, 'meter', 'bytes', 'token')
  if known[1] then
    local counts = right[known[1]] or {open = 0, queued = 0, bytes = 0}
    right[known[1]] = counts
    counts.open, counts.bytes = counts.open + 1, counts.bytes + (tonumber(known[2]) or 0)
    counts.queued = counts.queued + ((known[3] or '') == '' and 1 or 0)
  end
end

-- What apps have open in all versions of this ability, as their jobs' records say. Their accounts get what is missing: a
-- worker of an Athena that does not count has ended some, or a key was lost.
local function recount(versions)
  local right = {}
  for _, app in ipairs(redis.call('SMEMBERS', ACCOUNTS)) do
    right[app] = {open = 0, queued = 0, bytes = 0}
  end
  for _, version in ipairs(versions) do
    for _, id in ipairs(redis.call('ZRANGE', OPEN .. version, 0, -1)) do
      count_job(right, id)
    end
  end
  for app, counts in pairs(right) do
    local meter = meter_of(app, service_id)
    local one = meter.one or {0, 0, 0}
    local jobs, queued, bytes = counts.open - one[A_OPEN], counts.queued - one[A_QUEUED], counts.bytes - one[A_BYTES]
    if jobs ~= 0 or queued ~= 0 or bytes ~= 0 then
      meter_open(meter, jobs, queued, bytes)
    end
  end
  close_meters()
end

-- Whether nobody will pass on what this worker holds: it is registered no more, and whoever saw to its end had time
-- enough. Its count of beats bears the time of the first look, with a minus.
local function is_stray(incarnation)
  if redis.call('HEXISTS', WORKERS, incarnation) == 1 then
    return false
  end
  local seen_ms = -(tonumber(redis.call('HGET', BEATS, incarnation) or 0) or 0)
  if seen_ms > 0 then
    return now - seen_ms >= STRAY_MS
  end
  redis.call('HSET', BEATS, incarnation, string.format('%d', -now))
  return false
end

-- Redis may go back to a state in which a worker held jobs that has signed off since, and whose end is told no more.
local function return_strays()
  local strays = {}
  -- Those that have been open for longest are among the first.
  for _, id in ipairs(redis.call('ZRANGE', open, 0, COUNTED - 1)) do
    local incarnation = holder(redis.call('HGET', JOB .. id, 'token'))
    if incarnation and strays[incarnation] == nil then
      strays[incarnation] = is_stray(incarnation)
    end
  end
  for incarnation, is_gone in pairs(strays) do
    if is_gone then
      each_job(incarnation, held_jobs(incarnation, function() return true end), function(job)
        note_attempt(job.id, job.token, now, 'returned', '', 'its worker is gone')
        -- Nobody knows whether it ran, so it may be why.
        put_back(job.id, job.message, 'alone', 1)
      end)
      redis.call('HDEL', BEATS, incarnation)
    end
  end
  close_meters()
end

local count = redis.call('ZCARD', open)
if ARGV[4] == '1' then
  return_strays()
end
if ARGV[4] == '1' and main_of(service_id) == service_id then
  local versions = versions_of(service_id)
  if count_open(versions) <= COUNTED then
    recount(versions)
  end
end
if count == 0 then
  redis.call('HDEL', LOAD .. service_id, 'bytes')
elseif ARGV[4] == '1' and count <= COUNTED then
  local bytes = 0
  for _, id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
    local known = redis.call('HGET', JOB .. id, 'bytes')
    if known then
      bytes = bytes + tonumber(known)
    else
      -- Redis went back to a state in which it was open, and its gateway dropped the record of a job it had answered.
      redis.call('ZREM', open, id)
    end
  end
  redis.call('HSET', LOAD .. service_id, 'bytes', bytes)
end

forget_expired(service_id, LIMIT)
forget_expired(DEAD, LIMIT)
forget_history(service_id, LIMIT)
redis.call('ZREMRANGEBYSCORE', ENDED .. service_id, '-inf', now - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - tonumber(ARGV[3]))
return expired
