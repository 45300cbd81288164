-- Moves up to n jobs from the queues to a worker, in the order of the queues, and mints their tokens.
--
-- KEYS  queues in the order in which they are to be emptied
-- ARGV  1 incarnation   2 n   3 result TTL, 4 record TTL of jobs that came by send_task, milliseconds
-- Returns false when the worker is fenced, else a list of {id, token, queue, message}

local incarnation, wanted = ARGV[1], tonumber(ARGV[2])
if redis.call('HEXISTS', WORKERS, incarnation) == 0 then
  return false
end

local now, taken = now_ms(), {}

-- Anybody may push a task by send_task; its record is made here. A message of ours without a record is one whose job
-- ended long ago.
local function adopt(id, queue, message)
  if string.find(message, '"athena":', 1, true) then
    return false
  end
  redis.call('HSET', JOB .. id, 'state', 'queued', 'queue', queue, 'queued_ms', now,
    'service_id', string.match(queue, '^(.*)%.[^.]*$') or queue,
    'result_ttl_ms', ARGV[3], 'record_ttl_ms', ARGV[4])
  return true
end

local function take(queue, message)
  local id = string.match(message, '"id": ?"([^"]+)"')
  if not id then return end
  local key = JOB .. id
  local known = redis.call('HMGET', key, 'state', 'expires_ms', 'attempts', 'token')
  local state = known[1]
  if not state then
    if not adopt(id, queue, message) then return end
    state = 'queued'
  end
  if state ~= 'queued' or expire_if_overdue(id, now, state, known[2]) then return end
  -- A second copy of a message that some worker holds: the token in the record says so.
  if known[4] and known[4] ~= '' then return end
  local attempt = (tonumber(known[3]) or 0) + 1
  local token = attempt .. ':' .. incarnation
  redis.call('HSET', INFLIGHT .. incarnation, id, message)
  redis.call('HSET', key, 'token', token)
  taken[#taken + 1] = {id, token, queue, message}
end

for _, queue in ipairs(KEYS) do
  while #taken < wanted do
    local message = redis.call('RPOP', queue)
    if not message then break end
    take(queue, message)
  end
  if redis.call('EXISTS', queue) == 1 then
    ring(queue)
  else
    redis.call('DEL', BELL .. queue)
  end
end
flush_replies()
return taken
