-- Reads a job, and lets a gateway wait for it.
--
-- ARGV  1 job id   2 gateway that waits if the job is not final, or ''
-- Returns {fields of the record, result or false}; the list of fields is empty for an unknown job

local id, gateway = ARGV[1], ARGV[2]
local key = JOB .. id
local known = redis.call('HMGET', key, 'state', 'expires_ms')
if not known[1] then
  return {{}, false}
end
if not expire_if_overdue(id, now_ms(), known[1], known[2]) and gateway ~= '' and not FINAL[known[1]] then
  add_gateway(key, gateway)
end
flush_replies()
return {redis.call('HGETALL', key), redis.call('GET', RESULT .. id)}
