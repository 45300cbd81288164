-- Tries a dead letter again: accepts the new job and takes the letter off the list, in one step.
--
-- KEYS  1 queue; 2 request_id key, '' without one
-- ARGV  1 id of the dead letter   2… the new job (see submit.lua)
-- Returns what submit.lua does for a job, or 'gone' when there is no such letter any more

local answer = try_submit(2, KEYS[1], KEYS[2], redis.call('ZSCORE', DEAD, ARGV[1]))
if string.find(answer, '^accepted') then
  redis.call('ZREM', DEAD, ARGV[1])
end
close_admission()
return answer
