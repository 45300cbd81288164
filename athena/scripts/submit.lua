-- Accepts a job: record, message and bell in one step; or re-attaches to the job that has the same request_id.
--
-- KEYS  1 queue   2 request_id key, '' without one
-- ARGV  1 job id   2 message   3 jobs the queue may hold   4 gateway that waits, ''   5 hash of the request's body
--       6 '1' if the inputs lie in the payload key   7 milliseconds the job may queue   8 app_id
--       9… fields of the record
-- Returns {'accepted'} | {'attached', id, state} | {'conflict', id} | {'full', jobs in queue} | {'payload_lost'}

local queue, request_key = KEYS[1], KEYS[2]
local id, message, max_jobs, gateway, body_hash = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local claim = ARGV[6] == '1'

if request_key ~= '' then
  local known_id, known_hash = string.match(redis.call('HGET', request_key, ARGV[8]) or '', '^(.-) (.*)$')
  local state = known_id and redis.call('HGET', JOB .. known_id, 'state')
  if state then
    if claim then
      redis.call('UNLINK', PAYLOAD .. id)
    end
    if known_hash ~= body_hash then
      return {'conflict', known_id}
    end
    if gateway ~= '' and not FINAL[state] then
      add_gateway(JOB .. known_id, gateway)
    end
    return {'attached', known_id, state}
  end
end

local depth = redis.call('LLEN', queue)
if depth >= max_jobs then
  if claim then
    redis.call('UNLINK', PAYLOAD .. id)
  end
  return {'full', depth}
end

local key, now = JOB .. id, now_ms()
if claim then
  -- The gateway wrote it with a TTL, so that a gateway that dies here leaves nothing behind.
  if redis.call('PERSIST', PAYLOAD .. id) == 0 then
    return {'payload_lost'}
  end
end
redis.call('HSET', key, 'state', 'queued', 'queue', queue, 'queued_ms', now, 'expires_ms', now + tonumber(ARGV[7]),
  'gateways', gateway, 'app_id', ARGV[8], unpack(ARGV, 9))
if claim then
  redis.call('HSET', key, 'claim', 1)
end
if request_key ~= '' then
  redis.call('HSET', request_key, ARGV[8], id .. ' ' .. body_hash)
  redis.call('PERSIST', request_key)
  redis.call('HSET', key, 'request_key', request_key)
end
redis.call('LPUSH', queue, message)
ring(queue)
return {'accepted'}
