-- Cancels jobs, queued or running.
--
-- ARGV  1 reason   2… job ids
-- Returns per job the state before: '' for an unknown one; queued and running ones are canceled now

admit_writes()
local states = {}
for i = 2, #ARGV do
  local known = redis.call('HMGET', JOB .. ARGV[i], 'state', 'token')
  states[#states + 1] = known[1] or ''
  if known[1] and not FINAL[known[1]] then
    cancel(ARGV[i], known[2], ARGV[1])
  end
end
close_books()
return states
