-- Shuts a worker out whose process is dead, and passes its jobs on. Done twice, the second time does nothing.
--
-- ARGV  1 incarnation   2 why, for the records   3 what is held against the jobs named in 14…: 'death', 'overrun',
--       or 'broken': the process answered its example before them, and not after
--       4 deaths after which a job is poisoned   5 milliseconds that a dead letter is kept   6 code and 7 message for
--       a job that overran   8 '1' if the jobs that ran are known: those in 14…; '0': those that Redis knows to run
--       9 the last beat of a worker that fell silent, which is left alone if it has beaten since; '' for any other
--       10 its ability, 11 its GPU type and 12 the cause of its end, for the metrics; a cause '' is not counted
--       13 its name, for timelines
-- Returns {ids that went back, ids that ended, ids whose keys cannot be used: they stay among the jobs in flight}

local incarnation, reason, charge, max_deaths = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local is_known, blamed, blamed_count = ARGV[8] == '1', {}, #ARGV - 13
for i = 14, #ARGV do
  blamed[ARGV[i]] = true
end
if ARGV[9] ~= '' and (tonumber(redis.call('HGET', BEATS, incarnation) or 0) or 0) ~= tonumber(ARGV[9]) then
  return {{}, {}, {}}
end
redis.call('HDEL', WORKERS, incarnation)
redis.call('HDEL', BEATS, incarnation)
redis.call('UNLINK', CANCELED .. incarnation)

local ended, now = {}, now_ms()
local service_id, gpu_type, attempts = ARGV[10], ARGV[11], 0

-- For the job's timeline, before the attempt leaves its record.
local function note(job, what)
  note_attempt(job.id, job.token, now, what, ARGV[13], reason)
end

local function bury(job)
  local key, dead_ttl_ms = JOB .. job.id, tonumber(ARGV[5])
  local what = charge == 'broken' and 'broke' or 'died'
  note(job, what)
  local text = 'its worker ' .. what .. ' ' .. (job.deaths + 1) .. ' times under it; the last time: ' .. reason
  local known = facts(job.id)
  known.gpu_type = gpu_type
  settle(job.id, known, now, 'poisoned', '10109', text, '', '', job.message, 'deaths', job.deaths + 1, 'attempts',
    job.attempts, 'last_failure', reason)
  if known.abandonable == CANARY then return end
  redis.call('PEXPIRE', key, math.max(dead_ttl_ms, tonumber(known.record_ttl_ms)))
  keep_inputs(DEAD, job.id, job.message, known.claim, known.bytes, dead_ttl_ms)
  redis.call('ZADD', DEAD, now, job.id)
end

-- A job that was tried is given its whole time to queue again, and runs without company from now on.
local function again(job, deaths)
  note(job, charge == 'overrun' and 'overran' or charge == 'broken' and 'broke' or 'died')
  put_back(job.id, job.message, 'alone', charge == 'broken' and SUSPECT or 1, 'deaths', deaths, 'attempts',
    job.attempts, 'last_failure', reason, 'expires_ms', now + (job.max_queue_ms or 0))
end

-- Passes a job on, or ends it.
local function release(job)
  local ran = is_known and blamed[job.id] or not is_known and job.state == 'running'
  if ran then
    attempts = attempts + 1
  end
  if ran or job.is_announced then
    job.attempts = tonumber(string.match(job.token, '^%d+'))
  elseif job.state == 'running' then
    -- It runs alone, and was counted as begun when it was taken.
    job.attempts = job.attempts - 1
  end
  if not ran then
    note(job, 'returned')
    if is_known then
      put_back(job.id, job.message, 'attempts', job.attempts)
    else
      -- Nobody knows whether it ran, so it may be the one.
      put_back(job.id, job.message, 'attempts', job.attempts, 'alone', 1)
    end
  elseif charge == 'overrun' then
    if blamed_count == 1 then
      note(job, 'overran')
      local known = facts(job.id)
      known.gpu_type = gpu_type
      settle(job.id, known, now, 'timed_out', ARGV[6], ARGV[7], '', '', job.message, 'attempts', job.attempts)
      ended[job.id] = true
    else
      again(job, job.deaths)
    end
  elseif job.deaths + 1 >= max_deaths then
    bury(job)
    ended[job.id] = true
  else
    again(job, job.deaths + 1)
  end
end

local lists = {{}, {}}
for _, id in ipairs(each_job(incarnation, held_jobs(incarnation, function() return true end), release)) do
  local list = ended[id] and lists[2] or lists[1]
  list[#list + 1] = id
end
lists[3] = redis.call('HKEYS', INFLIGHT .. incarnation)
close_books()

-- Who hears no answer asks again, and others may have found it dead as well: it is counted once.
local RESULTS, FENCED_MS = {death = 'died', overrun = 'overran', broken = 'broken'}, 3600000
if ARGV[12] ~= '' and redis.call('HEXISTS', 'athena:abilities', service_id) == 1 then
  if redis.call('SET', FENCED .. incarnation, 1, 'NX', 'PX', FENCED_MS) then
    redis.pcall('HINCRBY', COUNTS .. service_id, 'exit ' .. ARGV[12] .. ' ' .. gpu_type, 1)
  end
end
if attempts > 0 then
  redis.pcall('HINCRBY', COUNTS .. service_id, 'try ' .. RESULTS[charge] .. ' ' .. gpu_type, attempts)
end
return lists
