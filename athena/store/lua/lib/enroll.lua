-- Puts a queue on the list of those that hold jobs, or did. One that is new there shares the pause of its ability.
local function enroll(service_id, queue)
  if redis.call('SADD', QUEUES .. service_id, queue) == 0 then return end
  if redis.call('HEXISTS', LINE .. service_id, 'paused') == 1 then
    redis.call('HSET', LINE .. queue, 'paused', 1)
  end
end
