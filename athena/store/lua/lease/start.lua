-- Marks taken jobs as running and counts the attempt.
--
-- ARGV  1 gpu type   2 worker name   3… job id, token
-- Returns one verdict per job: 1 started, 0 not ours any more or final

admit_writes()
local now, verdicts = now_ms(), {}
for i = 3, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local known = redis.call('HMGET', JOB .. id, 'state', 'token')
  local ours = known[2] == token and (known[1] == 'queued' or known[1] == 'running')
  if ours then
    redis.call('HSET', JOB .. id, 'gpu_type', ARGV[1], 'worker', ARGV[2])
  end
  if ours and known[1] == 'queued' then
    redis.call('HSET', JOB .. id, 'state', 'running', 'started_ms', now, 'attempts', string.match(token, '^%d+'))
  end
  verdicts[#verdicts + 1] = ours and 1 or 0
end
return verdicts
