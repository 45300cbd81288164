-- Ends jobs, and tells the gateways that wait for them.

-- Results up to this size ride in the wake-up of a waiting gateway; it fetches larger ones.
local REPLY_LIMIT = 65536

-- Inputs are kept of jobs that ended so.
local RETRYABLE = {failed = true, timed_out = true, expired = true, poisoned = true}

-- `abandonable` of an example that a gateway has sent: nobody tries it again, or asks for it.
local CANARY = '2'

-- What `close_books` writes at the end of the script: gateway -> frames; service_id -> ids and bytes of ended jobs,
-- and what is counted of them;
-- app_id -> those that are listed.
local replies, books, apps = {}, {}, {}

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

local function page_of(service_id)
  local page = books[service_id]
  if not page then
    page = {bytes = 0, ids = {}, lines = {}}
    books[service_id] = page
  end
  return page
end

-- Notes what metrics count of a job that ends, or is tried again.
local function note_line(known, what, total_ms)
  if known.abandonable == CANARY then return end
  local lines, gpu_type = page_of(known.service_id).lines, known.gpu_type or ''
  if known.exec_ms then
    lines[#lines + 1] = string.format('%s %d %d %s %s;', what, total_ms, known.exec_ms * 10 + 0.5, known.batch_size, gpu_type)
  else
    lines[#lines + 1] = string.format('%s %d - 0 %s;', what, total_ms, gpu_type)
  end
end

-- Notes a job that is listed as ended for its app. One that only its caller knew was not listed as open.
local function book_app(id, now, known)
  local app_id = redis.call('HGET', JOB .. id, 'app_id') or ''
  if app_id == '' then return end
  local page = apps[app_id]
  if not page then
    page = {opened = {}, ended = {}, now = now, ttl_ms = 0, kept_ms = 0}
    apps[app_id] = page
  end
  page.ended[#page.ended + 1] = now
  page.ended[#page.ended + 1] = id
  page.ttl_ms = math.max(page.ttl_ms, tonumber(known.record_ttl_ms))
  if not known.abandonable then
    page.opened[#page.opened + 1] = id
  end
  if known.abandonable ~= '1' then
    page.kept_ms = page.ttl_ms
  end
end

-- An app's list of ended jobs lives as long as the last record in it; who adds to it drops what is older.
local function close_app(app_id, page)
  local key = APP_ENDED .. app_id
  for first = 1, #page.opened, 1000 do
    redis.call('ZREM', APP_OPEN .. app_id, unpack(page.opened, first, math.min(first + 999, #page.opened)))
  end
  for first = 1, #page.ended, 1000 do
    redis.call('ZADD', key, unpack(page.ended, first, math.min(first + 999, #page.ended)))
  end
  if redis.call('PTTL', key) < page.ttl_ms then
    redis.call('PEXPIRE', key, page.ttl_ms)
  end
  if page.kept_ms > 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%d', page.now - page.kept_ms))
  end
end

-- To be called once, after all jobs were settled.
local function close_books()
  for service_id, page in pairs(books) do
    for first = 1, #page.ids, 1000 do
      redis.call('ZREM', OPEN .. service_id, unpack(page.ids, first, math.min(first + 999, #page.ids)))
    end
    if page.bytes ~= 0 then
      redis.call('HINCRBY', LOAD .. service_id, 'bytes', -page.bytes)
    end
    if #page.lines > 0 then
      write_tally(service_id, page.lines)
    end
  end
  for app_id, page in pairs(apps) do
    close_app(app_id, page)
  end
  close_meters()
  for gateway, frames in pairs(replies) do
    redis.call('PUBLISH', REPLY .. gateway, table.concat(frames))
  end
end

-- What must be known of a job that ends.
local function facts(id)
  local known = redis.call('HMGET', JOB .. id, 'state', 'token', 'gateways', 'service_id', 'bytes', 'result_ttl_ms',
    'record_ttl_ms', 'abandonable', 'attempts', 'claim', 'request_key', 'meter', 'queued_ms')
  return {state = known[1], token = known[2], gateways = known[3] or '', service_id = known[4] or '',
    bytes = tonumber(known[5]) or 0, result_ttl_ms = known[6], record_ttl_ms = known[7] or known[6],
    abandonable = known[8], attempts = known[9], claim = known[10], request_key = known[11],
    meter = known[12], queued_ms = known[13]}
end

-- How long the record is kept of a job that only its caller knew and that did not succeed: the gateway has written it
-- as `abandonable`; one of an older version writes 1.
local function history_ttl_ms(known)
  return math.max(tonumber(known.abandonable) or 0, tonumber(known.record_ttl_ms) or 0)
end

-- Writes a final state; the caller has made sure by `facts` that the job is not final yet. `queue_message` is '' where
-- it still lies in the queue. The rest are more fields of the record.
local function settle(id, known, now, state, code, text, gpu_type, result, queue_message, ...)
  local key = JOB .. id
  local is_kept = RETRYABLE[state] and known.abandonable ~= CANARY
  local is_history = known.abandonable and state ~= 'succeeded' and known.abandonable ~= CANARY
  if is_history then
    known.record_ttl_ms = history_ttl_ms(known)
  end
  if is_kept and state ~= 'poisoned' then
    keep_inputs(known.service_id, id, queue_message, known.claim, known.bytes, known.result_ttl_ms)
  elseif known.claim and not is_kept then
    redis.call('UNLINK', PAYLOAD .. id)
  end
  if code == '0' and text == '' then
    redis.call('HSET', key, 'state', state, 'finished_ms', now, ...)
  else
    redis.call('HSET', key, 'state', state, 'finished_ms', now, 'code', code, 'message', text, ...)
  end
  if result ~= '' then
    redis.call('SET', RESULT .. id, result, 'PX', known.result_ttl_ms)
  end
  redis.call('PEXPIRE', key, known.record_ttl_ms)
  -- Dead letters are kept and bounded as such.
  if is_history and state ~= 'poisoned' then
    remember(known.service_id, id, known.record_ttl_ms)
  end
  if known.request_key then
    redis.call('PEXPIRE', known.request_key, known.record_ttl_ms)
  end
  if not known.abandonable or is_history then
    redis.call('ZADD', ENDED .. known.service_id, now, id)
    book_app(id, now, known)
  end
  local page = page_of(known.service_id)
  page.bytes = page.bytes + known.bytes
  page.ids[#page.ids + 1] = id
  note_line(known, state, now - (known.queued_ms or now))
  if known.meter then
    -- A job without a token lies in its queue, or is put off.
    meter_end(known.meter, known.service_id, state, known.bytes, (known.token or '') == '')
  end
  if known.gateways ~= '' then
    reply(known.gateways, id, state, code, text, gpu_type, result)
  end
end

-- Ends a queued job whose time to start has passed. Returns whether it did.
local function expire_if_overdue(id, now, state, expires_ms, token, queue_message)
  if state ~= 'queued' or (token and token ~= '') or not expires_ms or tonumber(expires_ms) > now then
    return false
  end
  admit_writes()
  local text = 'the job was not started within the time it was allowed to queue'
  if queue_message == '' then
    -- Kept when somebody comes to it in its queue.
    settle(id, facts(id), now, 'expired', '10114', text, '', '', '', 'unkept', 1)
  else
    settle(id, facts(id), now, 'expired', '10114', text, '', '', queue_message)
  end
  return true
end
