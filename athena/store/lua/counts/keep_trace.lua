-- Keeps spans of a traced job, and examples of its ability's times.
--
-- ARGV  1 job id   2 service_id   3 milliseconds that the spans are kept   4 of how many jobs they are kept   5 how many
--       spans there are   6… spans; then pairs: field of the ability's examples, example
-- Returns of how many jobs spans are kept; 0 where Redis has no room

local TRACE, TRACES = 'athena:trace:', 'athena:traces'
local key, last = TRACE .. ARGV[1], 5 + tonumber(ARGV[5])

-- A Redis that is full refuses: that is no fault of the job's, and nobody has to hear of it.
local function write(...)
  return type(redis.pcall(...)) ~= 'table'
end

for i = last + 1, #ARGV, 2 do
  if not write('HSET', 'athena:exemplars:' .. ARGV[2], ARGV[i], ARGV[i + 1]) then return 0 end
end
if last == 5 then return redis.call('ZCARD', TRACES) end
if not write('RPUSH', key, unpack(ARGV, 6, last)) then return 0 end
redis.call('PEXPIRE', key, ARGV[3])
if not write('ZADD', TRACES, now_ms(), ARGV[1]) then return 0 end
local kept = redis.call('ZCARD', TRACES)
while kept > tonumber(ARGV[4]) do
  local oldest = redis.call('ZPOPMIN', TRACES)
  redis.call('UNLINK', TRACE .. oldest[1])
  kept = kept - 1
end
return kept
