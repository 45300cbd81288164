-- A gateway tells how it is, and what it has counted. Told twice, the second time does nothing.
--
-- ARGV  1 gateway   2 number of what is told, one more each time   3 how it is, JSON   4… per number that grows:
--       service_id, field of its counts, by how much
-- Returns 1 when it was new

local FORGET_MS, ABILITIES = 3600000, 'athena:abilities'
local gateway, number, now = ARGV[1], tonumber(ARGV[2]), now_ms()
local known = redis.call('HGET', GATEWAYS, gateway)
if known and (tonumber(string.match(known, '^%d+ (%d+)')) or 0) >= number then
  return 0
end

-- Those that were killed told nobody of their end.
local function forget_silent()
  local told = redis.call('HGETALL', GATEWAYS)
  for i = 1, #told, 2 do
    if now - (tonumber(string.match(told[i + 1], '^%d+')) or 0) > FORGET_MS then
      redis.call('HDEL', GATEWAYS, told[i])
    end
  end
end

admit_writes()
if not known then
  forget_silent()
end
redis.call('HSET', GATEWAYS, gateway, string.format('%d %d ', now, number) .. ARGV[3])
local is_known = {[''] = true}
for i = 4, #ARGV, 3 do
  local service_id = ARGV[i]
  if is_known[service_id] == nil then
    is_known[service_id] = redis.call('HEXISTS', ABILITIES, service_id) == 1
  end
  if is_known[service_id] then
    redis.pcall('HINCRBY', COUNTS .. service_id, ARGV[i + 1], ARGV[i + 2])
  end
end
return 1
