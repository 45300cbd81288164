local moment_ms

-- The time at which the script began: Redis stops its clock while one runs.
local function now_ms()
  if not moment_ms then
    local time = redis.call('TIME')
    moment_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return moment_ms
end
