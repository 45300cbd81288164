-- Ends jobs: result, final state and the wake-up of those who wait, for each job whose token is current.
--
-- ARGV  1 incarnation   2 gpu type   3 worker name   4… per job: id, token, state, code, message, result (of a
--       failed one the place in the source), exec milliseconds, batch size (0: never started). A state 'retry MS' is a
--       failure that the ability wants tried again after so many milliseconds; a failure like any other if its time to
--       start is over by then.
-- Returns one verdict per job: 1 the outcome stands, 0 it came too late; or an error text

local PER_JOB = 8
local inflight, now, verdicts, ended = INFLIGHT .. ARGV[1], string.format('%d', now_ms()), {}, {}

-- Returns whether the job is tried again.
local function try_again(i, known, delay_ms)
  local id, attempt = ARGV[i], string.match(ARGV[i + 1], '^%d+')
  return put_off(id, known, now, delay_ms, attempt, redis.call('HGET', inflight, id),
    {worker = ARGV[3], reason = ARGV[i + 4], place = ARGV[i + 5]})
end

local function finish(i)
  local id, token, state = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known, delay_ms = facts(id), string.match(state, '^retry (%d+)$')
  if delay_ms then
    -- What it ends as where it is not tried again: told once more, as after a lost reply, that stands.
    state = 'failed'
  end
  if known.state and known.token ~= token then
    return 0
  end
  if not known.state or FINAL[known.state] then
    ended[#ended + 1] = id
    -- Its worker has heard of a cancel, or need not any more: a set that only grew would be read twice a second.
    redis.call('SREM', CANCELED .. ARGV[1], id)
    return known.state == state and 1 or 0
  end
  if ARGV[i + 7] ~= '0' then
    known.exec_ms, known.batch_size, known.gpu_type = ARGV[i + 6], ARGV[i + 7], ARGV[2]
  end
  if known.meter and known.exec_ms then
    meter_device(known.meter, known.service_id, ARGV[2], ARGV[i + 6], ARGV[i + 7])
  end
  if delay_ms and try_again(i, known, delay_ms) then
    ended[#ended + 1] = id
    return 1
  end
  -- Only what failed is kept, so only then is the message needed.
  local message = state ~= 'succeeded' and redis.call('HGET', inflight, id) or ''
  local code, text, result, batch_size = ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 7]
  local place = ''
  if state ~= 'succeeded' then
    result, place = '', result
  end
  if batch_size == '0' then
    -- One that runs alone was counted as begun when it was taken.
    if known.state == 'running' then
      settle(id, known, now, state, code, text, '', result, message, 'attempts', known.attempts - 1)
    else
      settle(id, known, now, state, code, text, '', result, message)
    end
    ended[#ended + 1] = id
    return 1
  end
  -- What a reader can tell himself is left out: short jobs have no start of their own, most are alone in their
  -- call and tried once (JobRecord.decode).
  local more, attempt = {'gpu_type', ARGV[2], 'worker', ARGV[3], 'exec_ms', ARGV[i + 6]}, string.match(token, '^%d+')
  if batch_size ~= '1' then
    more[#more + 1], more[#more + 2] = 'batch_size', batch_size
  end
  if known.attempts or attempt ~= '1' then
    more[#more + 1], more[#more + 2] = 'attempts', attempt
  end
  if place ~= '' then
    more[#more + 1], more[#more + 2] = 'place', place
  end
  settle(id, known, now, state, code, text, ARGV[2], result, message, unpack(more))
  ended[#ended + 1] = id
  return 1
end

admit_writes()
for i = 4, #ARGV, PER_JOB do
  -- One bad job never takes the others' results with it.
  local ok, verdict = pcall(finish, i)
  if ok then
    verdicts[#verdicts + 1] = verdict
  else
    verdicts[#verdicts + 1] = type(verdict) == 'table' and verdict.err or tostring(verdict)
  end
end
if #ended > 0 then
  redis.call('HDEL', inflight, unpack(ended))
end
close_books()
return verdicts
