-- Adds to an ability's counts what one of its workers has counted.
--
-- ARGV  1 service_id   2 how many fields its counts may have   3… per change: 'add' or 'set', field, value
-- Returns how many changes had room

local key, done = COUNTS .. ARGV[1], 0
-- What was forgotten stays so.
if redis.call('HEXISTS', 'athena:abilities', ARGV[1]) == 0 then return 0 end
local left = tonumber(ARGV[2]) - redis.call('HLEN', key)
for i = 3, #ARGV, 3 do
  local is_new = redis.call('HEXISTS', key, ARGV[i + 1]) == 0
  if left > 0 or not is_new then
    -- A Redis that is full refuses: nobody has to hear of it.
    local answer = redis.pcall(ARGV[i] == 'set' and 'HSET' or 'HINCRBYFLOAT', key, ARGV[i + 1], ARGV[i + 2])
    if type(answer) == 'table' then return done end
    left, done = left - (is_new and 1 or 0), done + 1
  end
end
return done
