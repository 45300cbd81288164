-- Ends jobs, and tells the gateways that wait for them.

-- Results up to this size ride in the wake-up of a waiting gateway; it fetches larger ones.
local REPLY_LIMIT = 65536

-- Inputs are kept of jobs that ended so.
local RETRYABLE = {failed = true, timed_out = true, expired = true, poisoned = true}

-- What `close_books` writes at the end of the script: gateway -> frames; service_id -> ids and bytes of ended jobs.
local replies, books = {}, {}

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

local function book(service_id, id, bytes)
  local page = books[service_id]
  if not page then
    page = {bytes = 0, ids = {}}
    books[service_id] = page
  end
  page.bytes = page.bytes + bytes
  page.ids[#page.ids + 1] = id
end

-- To be called once, after all jobs were settled; `counted` is how many ran to an end, for the measured rate.
local function close_books(counted)
  for service_id, page in pairs(books) do
    for first = 1, #page.ids, 1000 do
      redis.call('ZREM', OPEN .. service_id, unpack(page.ids, first, math.min(first + 999, #page.ids)))
    end
    redis.call('HINCRBY', LOAD .. service_id, 'bytes', -page.bytes)
    if counted then
      redis.call('HINCRBY', LOAD .. service_id, 'ended', #page.ids)
    end
  end
  for gateway, frames in pairs(replies) do
    redis.call('PUBLISH', REPLY .. gateway, table.concat(frames))
  end
end

-- Writes a final state; the caller has made sure that the job is not final yet. `queue_message` is '' where it still
-- lies in the queue. The rest are more fields of the record.
local function settle(id, now, state, code, message, gpu_type, result, queue_message, ...)
  local key = JOB .. id
  local known = redis.call('HMGET', key, 'gateways', 'result_ttl_ms', 'record_ttl_ms', 'request_key', 'claim',
    'service_id', 'bytes', 'abandonable')
  local service_id, bytes = known[6] or '', tonumber(known[7]) or 0
  if RETRYABLE[state] and state ~= 'poisoned' then
    keep_inputs(service_id, id, queue_message, known[5], bytes, known[2])
  elseif known[5] and state ~= 'poisoned' then
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
  if not known[8] or RETRYABLE[state] then
    redis.call('ZADD', ENDED .. service_id, now, id)
  end
  book(service_id, id, bytes)
  if known[1] and known[1] ~= '' then
    reply(known[1], id, state, code, message, gpu_type, result)
  end
end

-- Ends a queued job whose time to start has passed. Returns whether it did.
local function expire_if_overdue(id, now, state, expires_ms, token, queue_message)
  if state ~= 'queued' or (token and token ~= '') or not expires_ms or tonumber(expires_ms) > now then
    return false
  end
  admit_writes()
  settle(id, now, 'expired', '10114', 'the job was not started within the time it was allowed to queue', '', '',
    queue_message)
  return true
end
