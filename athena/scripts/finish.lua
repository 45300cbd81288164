-- Ends jobs: result, final state and the wake-up of those who wait, for each job whose token is current.
--
-- ARGV  1 incarnation   2 gpu type   3 worker name   4… per job: id, token, state, code, message, result, exec
--       milliseconds, batch size (0: never started)
-- Returns one verdict per job: 1 the outcome stands, 0 it came too late; or an error text

local PER_JOB = 8
local inflight, now, verdicts = INFLIGHT .. ARGV[1], now_ms(), {}

local function finish(i)
  local id, token, state = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known = redis.call('HMGET', JOB .. id, 'state', 'token', 'started_ms')
  if known[1] and known[2] ~= token then
    return 0
  end
  -- Only what failed is kept, so only then is the message needed.
  local message = state ~= 'succeeded' and redis.call('HGET', inflight, id) or ''
  redis.call('HDEL', inflight, id)
  if not known[1] then
    return 0
  end
  if FINAL[known[1]] then
    return known[1] == state and 1 or 0
  end
  if ARGV[i + 7] == '0' then
    settle(id, now, state, ARGV[i + 3], ARGV[i + 4], '', ARGV[i + 5], message)
    return 1
  end
  -- Short jobs end before their start was told.
  local started_ms = known[3] or now - math.floor(tonumber(ARGV[i + 6]))
  settle(id, now, state, ARGV[i + 3], ARGV[i + 4], ARGV[2], ARGV[i + 5], message, 'gpu_type', ARGV[2],
    'worker', ARGV[3], 'started_ms', started_ms, 'attempts', string.match(token, '^%d+'), 'exec_ms', ARGV[i + 6],
    'batch_size', ARGV[i + 7])
  return 1
end

for i = 4, #ARGV, PER_JOB do
  -- One bad job never takes the others' results with it.
  local ok, verdict = pcall(finish, i)
  if ok then
    verdicts[#verdicts + 1] = verdict
  else
    verdicts[#verdicts + 1] = type(verdict) == 'table' and verdict.err or tostring(verdict)
  end
end
close_books(true)
return verdicts
