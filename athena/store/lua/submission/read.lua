-- Reads a job, and lets a gateway wait for it.
--
-- ARGV  1 job id   2 gateway that waits if the job is not final, or ''
-- Returns {fields of the record, result or false, number of the job that its queue gave out last, '1' if the queue is
-- paused, why the queue waits or false}; the list of fields is empty for an unknown job

local id, gateway = ARGV[1], ARGV[2]
local key = JOB .. id
local known = redis.call('HMGET', key, 'state', 'expires_ms', 'token', 'queue')
if not known[1] then
  return {{}, false, false, false, false}
end
local is_over = FINAL[known[1]] or expire_if_overdue(id, now_ms(), known[1], known[2], known[3], '')
if not is_over and gateway ~= '' then
  add_gateway(key, gateway)
end
close_books()

-- A queue waits for as long as the job that it waits for lies in it.
local function why_waits(noted)
  local head, reason = string.match(noted or '', '^(%S+) (.*)$')
  local state = head and redis.call('HMGET', JOB .. head, 'state', 'token') or {}
  return state[1] == 'queued' and (state[2] or '') == '' and reason
end

local line = is_over and {} or redis.call('HMGET', LINE .. known[4], 'out', 'paused', 'waits')
return {redis.call('HGETALL', key), redis.call('GET', RESULT .. id), line[1] or false, line[2] or false,
  why_waits(line[3])}
