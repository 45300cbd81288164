-- Compares with jobs' records what must hold for each: where it is listed, and what its queue knows of it.
--
-- ARGV  1 '1' to set right what is wrong   2… job ids
-- Returns {five items per difference: job id, what, whose, what was found, what is right; two items per open job: id,
-- queue}. A record that cannot be read is a difference too.

local ABILITIES, CANARY, REPAIRS, now = 'athena:abilities', '2', ARGV[1] == '1', now_ms()
local found, open = {}, {}

local function note(...)
  for _, item in ipairs({...}) do
    found[#found + 1] = item
  end
end

local function must_list(id, what, key, owner, score)
  if redis.call('ZSCORE', key, id) then return end
  note(id, what, owner, 'not listed', 'listed')
  if REPAIRS then
    redis.call('ZADD', key, score, id)
  end
end

local function check_queue(id, known)
  local queue, service_id = known.queue, known.service_id
  if redis.call('EXISTS', queue) == 1 and redis.call('SISMEMBER', QUEUES .. service_id, queue) == 0 then
    note(id, 'queues', queue, 'not known', 'known')
    if REPAIRS then
      enroll(service_id, queue)
      ring(queue)
    end
  end
  local line = redis.call('HMGET', LINE .. queue, 'in', 'out')
  local given_in, right = tonumber(line[1]) or 0, math.max(tonumber(line[2]) or 0, known.seq)
  if given_in < right then
    note(id, 'line', queue, string.format('%d', given_in), string.format('%d', right))
    if REPAIRS then
      redis.call('HSET', LINE .. queue, 'in', right)
    end
  end
end

local function check_open(id, known)
  open[#open + 1], open[#open + 2] = id, known.queue
  must_list(id, 'open', OPEN .. known.service_id, known.service_id, known.expires_ms)
  if known.app_id ~= '' and not known.abandonable then
    must_list(id, 'app_open', APP_OPEN .. known.app_id, known.app_id, known.expires_ms)
  end
  if known.state == 'queued' and known.token == '' then
    check_queue(id, known)
  end
end

-- Only the last part of a list's time is not looked at: who trims it does so by another clock than who keeps records.
local function check_ended(id, known)
  local is_private = known.abandonable == CANARY
    or known.abandonable and known.state == 'succeeded'
  if is_private or now - known.finished_ms > known.ttl_ms * 0.9 then return end
  if redis.call('HEXISTS', ABILITIES, known.service_id) == 1 then
    must_list(id, 'ended', ENDED .. known.service_id, known.service_id, known.finished_ms)
  end
  if known.app_id ~= '' then
    local key = APP_ENDED .. known.app_id
    must_list(id, 'app_ended', key, known.app_id, known.finished_ms)
    if REPAIRS and redis.call('PTTL', key) < known.ttl_ms then
      redis.call('PEXPIRE', key, known.ttl_ms)
    end
  end
end

local function check(id)
  local got = redis.pcall('HMGET', JOB .. id, 'state', 'token', 'service_id', 'app_id', 'abandonable', 'expires_ms',
    'finished_ms', 'queue', 'seq', 'record_ttl_ms', 'result_ttl_ms')
  if got.err then
    note(id, 'record', '', got.err, 'readable')
    return
  end
  if not got[1] then return end
  local known = {state = got[1], token = got[2] or '', service_id = got[3] or '', app_id = got[4] or '',
    abandonable = got[5], expires_ms = tonumber(got[6]) or 0, finished_ms = tonumber(got[7]) or 0, queue = got[8] or '',
    seq = tonumber(got[9]) or 0, ttl_ms = tonumber(got[10] or got[11]) or 0}
  if FINAL[known.state] then
    check_ended(id, known)
  else
    check_open(id, known)
  end
end

if REPAIRS then
  admit_writes()
end
for i = 2, #ARGV do
  -- A list of another type is told for itself, not for each job.
  pcall(check, ARGV[i])
end
return {found, open}
