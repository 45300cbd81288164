-- Accepts a job: record, message and bell in one step; or re-attaches to the job that has the same request_id.
--
-- KEYS  1 queue   2 request_id key, '' without one
-- ARGV  1 job id   2 message   3 jobs the queue may hold   4 gateway that waits, ''   5 hash of the request's body
--       6 '1' if the inputs lie in the payload key   7 milliseconds the job may queue   8 app_id   9 service_id
--       10 bytes of message and inputs   11 bytes that all open jobs of the ability may have   12… fields of the record
-- Returns {'accepted'} | {'attached', id, state} | {'conflict', id} | {'full', jobs in queue} | {'heavy', bytes of open
-- jobs} | {'payload_lost'}

local queue, request_key = KEYS[1], KEYS[2]
local id, message, max_jobs, gateway, body_hash = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local claim, service_id, bytes = ARGV[6] == '1', ARGV[9], tonumber(ARGV[10])

local function refuse(...)
  if claim then
    redis.call('UNLINK', PAYLOAD .. id)
  end
  return {...}
end

if request_key ~= '' then
  local known_id, known_hash = string.match(redis.call('HGET', request_key, ARGV[8]) or '', '^(.-) (.*)$')
  local state = known_id and redis.call('HGET', JOB .. known_id, 'state')
  if state and known_hash ~= body_hash then
    return refuse('conflict', known_id)
  end
  if state then
    local answer = refuse('attached', known_id, state)
    if gateway ~= '' and not FINAL[state] then
      admit_writes()
      add_gateway(JOB .. known_id, gateway)
    end
    return answer
  end
end

local depth = redis.call('LLEN', queue)
if depth >= max_jobs then
  return refuse('full', depth)
end
local open_bytes = tonumber(redis.call('HGET', LOAD .. service_id, 'bytes')) or 0
if open_bytes > 0 and open_bytes + bytes > tonumber(ARGV[11]) then
  return refuse('heavy', open_bytes)
end

local key, now = JOB .. id, now_ms()
if claim then
  -- The gateway wrote it with a TTL, so that a gateway that dies here leaves nothing behind.
  if redis.call('PERSIST', PAYLOAD .. id) == 0 then
    return {'payload_lost'}
  end
end
local expires_ms = now + tonumber(ARGV[7])
-- What is looked at most comes first: Redis searches a small hash from its beginning.
local seq = redis.call('HINCRBY', LINE .. queue, 'in', 1)
redis.call('HSET', key, 'state', 'queued', 'expires_ms', expires_ms, 'seq', seq, 'gateways', gateway,
  'service_id', service_id, 'bytes', bytes, 'queue', queue, 'queued_ms', now, 'max_queue_ms', ARGV[7],
  'app_id', ARGV[8], unpack(ARGV, 12))
if claim then
  redis.call('HSET', key, 'claim', 1)
end
if request_key ~= '' then
  redis.call('HSET', request_key, ARGV[8], id .. ' ' .. body_hash)
  redis.call('PERSIST', request_key)
  redis.call('HSET', key, 'request_key', request_key)
end
redis.call('ZADD', OPEN .. service_id, expires_ms, id)
redis.call('HINCRBY', LOAD .. service_id, 'bytes', bytes)
if redis.call('LPUSH', queue, message) == 1 then
  enroll(service_id, queue)
end
ring(queue)
return {'accepted'}
