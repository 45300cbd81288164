-- Counts the heartbeats of workers; a worker that was fenced gets none.
--
-- ARGV  incarnations
-- Returns those that are fenced

admit_writes()
local fenced = {}
for _, incarnation in ipairs(ARGV) do
  if redis.call('HEXISTS', WORKERS, incarnation) == 1 then
    redis.call('HINCRBY', BEATS, incarnation, 1)
  else
    fenced[#fenced + 1] = incarnation
  end
end
return fenced
