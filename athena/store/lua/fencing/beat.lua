-- Counts the heartbeats of workers; a worker that was fenced gets none.
--
-- ARGV  incarnations
-- Returns per incarnation {'1' or '0' if it is fenced, ids of canceled jobs that it held when they were canceled}

admit_writes()
local answers = {}
for i, incarnation in ipairs(ARGV) do
  local is_known = redis.call('HEXISTS', WORKERS, incarnation) == 1
  -- One count that cannot be read must not stop the hearts of a whole host.
  if is_known and type(redis.pcall('HINCRBY', BEATS, incarnation, 1)) == 'table' then
    redis.call('HSET', BEATS, incarnation, 1)
  end
  answers[i] = {is_known and '1' or '0', redis.call('SMEMBERS', CANCELED .. incarnation)}
end
return answers
