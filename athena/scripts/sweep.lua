-- What must happen to an ability's jobs without anybody asking: overdue ones expire, books stay true, and jobs move
-- whose GPU type has lost its last worker. Idempotent.
--
-- KEYS  queues of the ability; others are known by QUEUES
-- ARGV  1 service_id   2 milliseconds that ended jobs are listed   3 milliseconds that dead letters are listed
--       4 '1' to count the bytes of open jobs anew   5 where jobs of other targets than 7… move, '' for nowhere
--       6 n   7… n targets that have workers, then GPU, type pairs
-- Returns the number of jobs that expired

local LIMIT, MOVED, COUNTED, RECHECK_MS = 200, 500, 5000, 60000

admit_writes()
local service_id, now, expired = ARGV[1], now_ms(), 0
local open = OPEN .. service_id

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
close_books(false)

local queues = {}
for _, queue in ipairs(KEYS) do
  queues[queue] = true
end
for _, queue in ipairs(redis.call('SMEMBERS', QUEUES .. service_id)) do
  queues[queue] = true
end

-- Messages of final jobs go when a worker comes to them. While there is none they would count as a backlog.
for queue in pairs(queues) do
  for _ = 1, LIMIT do
    local message = redis.call('LINDEX', queue, -1)
    local id = message and string.match(message, '"id": ?"([^"]+)"')
    local state = id and redis.call('HGET', JOB .. id, 'state')
    if not state or not FINAL[state] then break end
    redis.call('RPOP', queue)
    keep_message(id, message, state)
  end
end

local is_live, homes, fallback = {}, {}, ARGV[5]
local last_live = 6 + tonumber(ARGV[6])
for i = 7, last_live do
  is_live[ARGV[i]] = true
end
for i = last_live + 1, #ARGV, 2 do
  homes[ARGV[i]] = ARGV[i + 1]
end

-- The queue to which jobs of another move; nil if they stay.
local function destination(queue)
  local target = string.sub(queue, #service_id + 2)
  local lane = string.match(target, '%.high$') or string.match(target, '%.low$') or ''
  target = string.sub(target, 1, #target - #lane)
  if is_live[target] then return nil end
  local home = homes[target]
  return service_id .. '.' .. (home and is_live[home] and home or fallback) .. lane
end

local function move(queue, other)
  for _ = 1, MOVED do
    local message = redis.call('RPOP', queue)
    if not message then return end
    local id = string.match(message, '"id": ?"([^"]+)"')
    if id and redis.call('EXISTS', JOB .. id) == 1 then
      redis.call('HSET', JOB .. id, 'queue', other, 'seq', redis.call('HINCRBY', LINE .. other, 'in', 1))
    end
    if redis.call('LPUSH', other, message) == 1 then
      redis.call('SADD', QUEUES .. service_id, other)
    end
    ring(other)
  end
end

if fallback ~= '' then
  for queue in pairs(queues) do
    local other = destination(queue)
    local is_paused = redis.call('HEXISTS', LINE .. queue, 'paused') == 1
    if other and not is_paused and redis.call('EXISTS', queue) == 1 then
      move(queue, other)
    end
  end
end

local count = redis.call('ZCARD', open)
if count == 0 then
  redis.call('HDEL', LOAD .. service_id, 'bytes')
elseif ARGV[4] == '1' and count <= COUNTED then
  local bytes = 0
  for _, id in ipairs(redis.call('ZRANGE', open, 0, -1)) do
    bytes = bytes + (tonumber(redis.call('HGET', JOB .. id, 'bytes')) or 0)
  end
  redis.call('HSET', LOAD .. service_id, 'bytes', bytes)
end

forget_expired(service_id, LIMIT)
forget_expired(DEAD, LIMIT)
redis.call('ZREMRANGEBYSCORE', ENDED .. service_id, '-inf', now - tonumber(ARGV[2]))
redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', now - tonumber(ARGV[3]))
return expired
