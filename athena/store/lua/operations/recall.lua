-- Brings all jobs back into their queues at once that were put off, so that whoever empties the queues finds them.
--
-- KEYS  abilities
-- Returns how many messages there were

local count = 0
for _, service_id in ipairs(KEYS) do
  for _, message in ipairs(redis.call('ZRANGE', LATER .. service_id, 0, 499)) do
    recall(service_id, message)
    count = count + 1
  end
end
return count
