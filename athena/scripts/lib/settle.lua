-- Ends jobs, and tells the gateways that wait for them.

-- Results up to this size ride in the wake-up of a waiting gateway; it fetches larger ones.
local REPLY_LIMIT = 65536

-- gateway -> frames; sent by flush_replies at the end of the script.
local replies = {}

local function reply(gateways, id, state, code, message, gpu_type, result)
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

-- Writes a final state; the caller has made sure that the job is not final yet. The rest are more fields of the record.
local function settle(id, now, state, code, message, gpu_type, result, ...)
  local key = JOB .. id
  local known = redis.call('HMGET', key, 'gateways', 'result_ttl_ms', 'record_ttl_ms', 'request_key', 'claim')
  if known[5] then
    redis.call('UNLINK', PAYLOAD .. id)
  end
  redis.call('HSET', key, 'state', state, 'finished_ms', now, 'code', code, 'message', message, ...)
  if result ~= '' then
    redis.call('SET', RESULT .. id, result, 'PX', known[2])
  end
  redis.call('PEXPIRE', key, known[3])
  if known[4] then
    redis.call('PEXPIRE', known[4], known[3])
  end
  if known[1] and known[1] ~= '' then
    reply(known[1], id, state, code, message, gpu_type, result)
  end
end

-- Ends a queued job whose time to start has passed. Returns whether it did.
local function expire_if_overdue(id, now, state, expires_ms)
  if state ~= 'queued' or not expires_ms or tonumber(expires_ms) > now then
    return false
  end
  admit_writes()
  settle(id, now, 'expired', '10114', 'the job was not started within the time it was allowed to queue', '', '')
  return true
end
