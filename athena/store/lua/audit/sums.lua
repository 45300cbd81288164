-- Counts the bytes of an ability's open jobs, and of the inputs that it keeps, or that dead letters have.
--
-- ARGV  1 service_id, or 'athena:dead'   2 '1' to write what was counted   3 how many jobs are counted at most
-- Returns {five items per difference: '', what, whose, what was found, what is right; what was not counted, because there
-- are too many}

local owner, repairs, most = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])
local found, uncounted = {}, {}

local function compare(what, field, right)
  local written = tonumber(redis.call('HGET', LOAD .. owner, field)) or 0
  if written == right then return end
  for _, item in ipairs({'', what, owner, string.format('%d', written), string.format('%d', right)}) do
    found[#found + 1] = item
  end
  if repairs then
    redis.call('HSET', LOAD .. owner, field, right)
  end
end

local function open_bytes()
  local bytes = 0
  for _, id in ipairs(redis.call('ZRANGE', OPEN .. owner, 0, -1)) do
    bytes = bytes + (tonumber(redis.call('HGET', JOB .. id, 'bytes')) or 0)
  end
  return bytes
end

local function kept_bytes()
  local bytes = 0
  for _, entry in ipairs(redis.call('LRANGE', KEPT .. owner, 0, -1)) do
    bytes = bytes + (tonumber(string.match(entry, '^%d+')) or 0)
  end
  return bytes
end

if repairs then
  admit_writes()
end
if redis.call('ZCARD', OPEN .. owner) <= most then
  compare('bytes', 'bytes', open_bytes())
else
  uncounted[#uncounted + 1] = 'bytes'
end
if redis.call('LLEN', KEPT .. owner) <= most then
  compare('kept_bytes', 'kept_bytes', kept_bytes())
else
  uncounted[#uncounted + 1] = 'kept_bytes'
end
return {found, uncounted}
