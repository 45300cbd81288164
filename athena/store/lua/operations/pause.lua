-- Pauses queues, or lets them go on.
--
-- KEYS  queues; abilities, for queues of theirs that are not known yet
-- ARGV  1 '1' to pause, '0' to go on
-- Returns the number of queues whose state changed

local changed = 0
for _, queue in ipairs(KEYS) do
  if ARGV[1] == '1' then
    changed = changed + redis.call('HSET', LINE .. queue, 'paused', 1)
  elseif redis.call('HDEL', LINE .. queue, 'paused') == 1 then
    changed = changed + 1
    if redis.call('EXISTS', queue) == 1 then
      ring(queue)
    end
  end
end
return changed
