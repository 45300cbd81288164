-- Folds the lines that tell how jobs ended into numbers.
--
-- ARGV  abilities
-- Returns per ability how many jobs ran to an end, for the measured rate

local answers = {}
for i, service_id in ipairs(ARGV) do
  fold(service_id)
  answers[i] = tonumber(redis.call('HGET', LOAD .. service_id, 'ended')) or 0
end
return answers
