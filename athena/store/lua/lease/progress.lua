-- Notes how far running jobs are.
--
-- ARGV  per job: id, token, progress
-- Returns nothing

admit_writes()
for i = 1, #ARGV, 3 do
  local known = redis.call('HMGET', JOB .. ARGV[i], 'state', 'token')
  if known[2] == ARGV[i + 1] and not FINAL[known[1]] then
    redis.call('HSET', JOB .. ARGV[i], 'progress', ARGV[i + 2])
  end
end
