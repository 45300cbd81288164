-- Forgets an ability: its interface, its queues and its books. Records and results live as long as they would.
--
-- KEYS  queues that it may have jobs in; others are known by QUEUES
-- ARGV  1 service_id   2 '1' to cancel its jobs and drop what lies in its queues   3 why, for their records
--       4 milliseconds that gateways and supervisors are told
-- Returns {'forgotten' | 'more' to be called again | 'held' | 'unknown', jobs that are open, messages in queues}

local AT_ONCE, ABILITIES, FAILURES, FORGOTTEN = 500, 'athena:abilities', 'athena:failures', 'athena:forgotten'
local service_id, is_forced = ARGV[1], ARGV[2] == '1'
local open, messages, queues = redis.call('ZCARD', OPEN .. service_id), 0, {}
for _, names in ipairs({KEYS, redis.call('SMEMBERS', QUEUES .. service_id)}) do
  for _, queue in ipairs(names) do
    if not queues[queue] then
      messages = messages + redis.call('LLEN', queue)
    end
    queues[queue] = true
  end
end

local is_known = redis.call('HEXISTS', ABILITIES, service_id) + redis.call('HEXISTS', FAILURES, service_id) > 0
if not is_known and open + messages == 0 then
  return {'unknown', open, messages}
end
if not is_forced and open + messages > 0 then
  return {'held', open, messages}
end

admit_writes()
for _, id in ipairs(redis.call('ZRANGE', OPEN .. service_id, 0, AT_ONCE - 1)) do
  local known = redis.call('HMGET', JOB .. id, 'state', 'token')
  if known[1] and not FINAL[known[1]] then
    cancel(id, known[2], ARGV[3])
  else
    redis.call('ZREM', OPEN .. service_id, id)
  end
end
close_books()
if redis.call('EXISTS', OPEN .. service_id) == 1 then
  return {'more', open, messages}
end

redis.call('HDEL', ABILITIES, service_id)
redis.call('HDEL', FAILURES, service_id)
redis.call('HDEL', 'athena:canaries', service_id)
redis.call('UNLINK', 'athena:canary:' .. service_id)
for queue in pairs(queues) do
  redis.call('UNLINK', queue, BELL .. queue, LINE .. queue)
end
redis.call('UNLINK', QUEUES .. service_id, ENDED .. service_id, LOAD .. service_id, KEPT .. service_id,
  LINE .. service_id, LATER .. service_id, HISTORY .. service_id, COUNTS .. service_id, TALLY .. service_id,
  'athena:exemplars:' .. service_id)
for _, app in ipairs(redis.call('SMEMBERS', ACCOUNTS)) do
  redis.call('HDEL', ACCOUNT .. app, service_id)
end
redis.call('HSET', FORGOTTEN, service_id, now_ms())
redis.call('PEXPIRE', FORGOTTEN, ARGV[4])
return {'forgotten', open, messages}
