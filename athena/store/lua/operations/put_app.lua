-- Writes an application, if nobody else has changed it meanwhile.
--
-- KEYS  1 all applications
-- ARGV  1 app_id   2 what it is to be now, '' for one that is not there yet   3 what it becomes   4 the version of all
-- Returns 1 when it was written

if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], '', ARGV[4])
return 1
