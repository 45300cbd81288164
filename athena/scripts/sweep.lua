-- What must happen to an ability's jobs without anybody asking: overdue ones expire, books stay true. Idempotent.
--
-- KEYS  queues of the ability
-- ARGV  1 service_id   2 milliseconds that ended jobs are listed   3 milliseconds that dead letters are listed
--       4 '1' to count the bytes of open jobs anew
-- Returns the number of jobs that expired

local LIMIT, COUNTED, RECHECK_MS = 200, 5000, 60000

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

-- Messages of final jobs go when a worker comes to them. While there is none they would count as a backlog.
for _, queue in ipairs(KEYS) do
  for _ = 1, LIMIT do
    local message = redis.call('LINDEX', queue, -1)
    local id = message and string.match(message, '"id": ?"([^"]+)"')
    local state = id and redis.call('HGET', JOB .. id, 'state')
    if not state or not FINAL[state] then break end
    redis.call('RPOP', queue)
    keep_message(id, message, state)
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
