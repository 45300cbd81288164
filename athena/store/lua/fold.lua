-- Folds the lines that tell how jobs ended into numbers.
--
-- ARGV  abilities
-- Returns per ability how many jobs ran to an end, for the measured rate

local answers, has_written = {}, false
for i, service_id in ipairs(ARGV) do
  -- Nothing is written where nothing ended: a Redis that takes no writes still answers.
  if redis.call('EXISTS', TALLY .. service_id) == 1 then
    if not has_written then
      admit_writes()
      has_written = true
    end
    fold(service_id)
  end
  answers[i] = tonumber(redis.call('HGET', LOAD .. service_id, 'ended')) or 0
end
return answers
