-- Wakes one idle worker. A bell that rings already is enough.
local function ring(queue)
  local bell = BELL .. queue
  if redis.call('EXISTS', bell) == 0 then
    redis.call('LPUSH', bell, 1)
  end
end
