-- Cancels the jobs that wait in a queue, the oldest first.
--
-- KEYS  1 queue
-- ARGV  1 how many at most   2 reason
-- Returns {messages that were removed, jobs that were canceled}

local removed, canceled, last = 0, 0, false
for _ = 1, tonumber(ARGV[1]) do
  local message = redis.call('RPOP', KEYS[1])
  if not message then break end
  removed = removed + 1
  local id = string.match(message, '"id": ?"([^"]+)"')
  local known = id and redis.call('HMGET', JOB .. id, 'state', 'token', 'seq') or {}
  last = known[3] or last
  if known[1] == 'queued' and (known[2] or '') == '' then
    cancel(id, known[2], ARGV[2])
    canceled = canceled + 1
  elseif id then
    keep_message(id, message, known[1])
  end
end
if last then
  redis.call('HSET', LINE .. KEYS[1], 'out', last)
end
close_books()
return {removed, canceled}
