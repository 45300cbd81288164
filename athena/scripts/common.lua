-- Prefixed to every script. Keys are those of the table in athena/store.py.
--
-- Write order: a script's first writes are deletes. Redis at its memory limit refuses a script whose first write
-- needs memory, and lets one pass whose first write frees some; so a full Redis can still finish its jobs.

local JOB, RESULT, PAYLOAD = 'athena:job:', 'athena:result:', 'athena:payload:'
local INFLIGHT, BELL, REPLY = 'athena:inflight:', 'athena:bell:', 'athena:reply:'
local WORKERS, BEATS = 'athena:workers', 'athena:beats'

-- Results up to this size ride in the wake-up of a waiting gateway; it fetches larger ones.
local REPLY_LIMIT = 65536

local FINAL = {succeeded = true, failed = true, canceled = true, expired = true, timed_out = true}

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function ring(queue)
  local bell = BELL .. queue
  if redis.call('EXISTS', bell) == 0 then
    redis.call('LPUSH', bell, 1)
  end
end

-- gateway -> frames; sent by flush_replies at the end of the script.
local replies = {}

local function reply(gateways, id, state, code, message, gpu_type, result)
  if not gateways or gateways == '' then return end
  local inline = '1'
  if #result > REPLY_LIMIT then
    inline, result = '0', ''
  end
  local frame = struct.pack('<I4c0I4c0I4c0I4c0I4c0I4c0I4c0', #id, id, #state, state, #code, code, #message, message,
    #gpu_type, gpu_type, #inline, inline, #result, result)
  for gateway in string.gmatch(gateways, '[^,]+') do
    local frames = replies[gateway]
    if not frames then
      frames = {}
      replies[gateway] = frames
    end
    frames[#frames + 1] = frame
  end
end

local function flush_replies()
  for gateway, frames in pairs(replies) do
    redis.call('PUBLISH', REPLY .. gateway, table.concat(frames))
  end
end

-- Writes a final state; the caller has made sure that the job is not final yet.
local function settle(id, now, state, code, message, result, ...)
  local key = JOB .. id
  local claim = redis.call('HGET', key, 'claim')
  if claim then
    redis.call('UNLINK', PAYLOAD .. id)
  end
  redis.call('HSET', key, 'state', state, 'finished_ms', now, 'code', code, 'message', message, ...)
  local known = redis.call('HMGET', key, 'gateways', 'gpu_type', 'result_ttl_ms', 'record_ttl_ms', 'request_key')
  if result ~= '' then
    redis.call('SET', RESULT .. id, result, 'PX', known[3])
  end
  redis.call('PEXPIRE', key, known[4])
  if known[5] then
    redis.call('PEXPIRE', known[5], known[4])
  end
  reply(known[1], id, state, code, message, known[2] or '', result)
end

local function add_gateway(key, gateway)
  local gateways = redis.call('HGET', key, 'gateways') or ''
  for known in string.gmatch(gateways, '[^,]+') do
    if known == gateway then return end
  end
  redis.call('HSET', key, 'gateways', gateways == '' and gateway or gateways .. ',' .. gateway)
end

-- Ends a queued job whose time to start has passed. Returns whether it did.
local function expire_if_overdue(id, now, state, expires_ms)
  if state ~= 'queued' or not expires_ms or tonumber(expires_ms) > now then
    return false
  end
  settle(id, now, 'expired', '10114', 'the job was not started within the time it was allowed to queue', '')
  return true
end

-- Puts a job that a worker holds back to the head of its queue, if `may` says so of its token. Returns whether it did.
local function put_back(inflight, id, may)
  local message = redis.call('HGET', inflight, id)
  redis.call('HDEL', inflight, id)
  local known = redis.call('HMGET', JOB .. id, 'state', 'token', 'queue')
  if not message or not known[1] or FINAL[known[1]] or not may(known[2] or '') then
    return false
  end
  redis.call('HSET', JOB .. id, 'state', 'queued', 'token', '')
  redis.call('RPUSH', known[3], message)
  ring(known[3])
  return true
end
