-- Brings jobs back into their queues that were put off; before those that have not been tried.
local function recall(service_id, message)
  redis.call('ZREM', LATER .. service_id, message)
  local id = string.match(message, '"id": ?"([^"]+)"')
  local known = id and redis.call('HMGET', JOB .. id, 'state', 'token', 'queue') or {}
  if known[1] == 'queued' and (known[2] or '') == '' then
    redis.call('HDEL', JOB .. id, 'retry_ms')
    if redis.call('RPUSH', known[3], message) == 1 then
      enroll(service_id, known[3])
    end
    ring(known[3])
  elseif id then
    keep_message(id, message, known[1])
  end
end
