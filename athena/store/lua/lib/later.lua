-- Jobs whose calls failed and that are tried again after a while: `later` of their ability holds their messages.

-- Puts a job off, unless its time to start is over by then. Returns whether it did.
local function put_off(id, known, now, delay_ms, attempt, message, failure)
  local key, due = JOB .. id, now + delay_ms
  local expires_ms = redis.call('HGET', key, 'expires_ms')
  if not message or due >= tonumber(expires_ms or 0) then return false end
  local due_text, reason, place = string.format('%d', due), failure.reason, failure.place
  note_attempt(id, known.token, now, 'failed', failure.worker, place == '' and reason or reason .. ' (' .. place .. ')')
  redis.call('HSET', key, 'state', 'queued', 'token', '', 'attempts', attempt, 'last_failure', reason, 'retry_ms', due_text)
  redis.call('HDEL', key, 'started_ms', 'worker', 'gpu_type', 'progress')
  -- Whoever found it overdue while it ran has looked away for a while.
  redis.call('ZADD', OPEN .. known.service_id, expires_ms, id)
  redis.call('ZADD', LATER .. known.service_id, due_text, message)
  redis.call('HINCRBY', LOAD .. known.service_id, 'retries', 1)
  note_line(known, 'retried', 0)
  if known.meter then
    meter_queued(known.meter, known.service_id, 1)
  end
  return true
end
