-- Returns jobs to the head of their queues.

-- `alone` of a job that runs without company: 1, or this where its process has to answer its example first.
local SUSPECT = '2'

-- The job is not final, and its message is out of the in-flight hash. The rest are more fields of the record.
local function put_back(id, message, ...)
  local key = JOB .. id
  redis.call('HSET', key, 'state', 'queued', 'token', '', ...)
  redis.call('HDEL', key, 'started_ms', 'worker', 'gpu_type', 'progress')
  local known = redis.call('HMGET', key, 'queue', 'service_id', 'expires_ms', 'meter')
  redis.call('ZADD', OPEN .. (known[2] or ''), known[3] or 0, id)
  if redis.call('RPUSH', known[1], message) == 1 then
    enroll(known[2] or '', known[1])
  end
  ring(known[1])
  if known[4] then
    meter_queued(known[4], known[2], 1)
  end
end

-- Nobody began with the job: one that must run alone was counted as begun when it was taken.
local function put_back_unstarted(job)
  if job.state == 'running' then
    put_back(job.id, job.message, 'attempts', job.attempts - 1)
  else
    put_back(job.id, job.message)
  end
end

-- What a worker holds, and may give up: a list of {id, message, record}, the one that was queued last first.
-- `is_wanted` is asked with a job's id and the token in its record. `is_announced`: its call was told to have begun.
local function held_jobs(incarnation, is_wanted)
  local flat, held = redis.call('HGETALL', INFLIGHT .. incarnation), {}
  for i = 1, #flat, 2 do
    local id = flat[i]
    local known = redis.pcall('HMGET', JOB .. id, 'state', 'token', 'seq', 'deaths', 'attempts', 'max_queue_ms',
      'worker')
    -- One whose record cannot be read stays where it is, and the others go their way.
    if not known.err and is_wanted(id, known[2]) then
      redis.call('HDEL', INFLIGHT .. incarnation, id)
      if known[1] and not FINAL[known[1]] and holder(known[2]) == incarnation then
        held[#held + 1] = {id = id, message = flat[i + 1], state = known[1], token = known[2],
          seq = tonumber(known[3]) or 0, deaths = tonumber(known[4]) or 0, attempts = tonumber(known[5]) or 0,
          max_queue_ms = tonumber(known[6]), is_announced = known[7] ~= false}
      else
        redis.call('SREM', CANCELED .. incarnation, id)
      end
    end
  end
  table.sort(held, function(a, b) return a.seq > b.seq end)
  return held
end

-- Does something with each job that is out of the in-flight hash. One with which it fails, because keys are not what
-- they should be, is put back there. Returns the ids of those with which it did not fail.
local function each_job(incarnation, jobs, act)
  local done = {}
  for _, job in ipairs(jobs) do
    if pcall(act, job) then
      done[#done + 1] = job.id
    else
      redis.call('HSET', INFLIGHT .. incarnation, job.id, job.message)
    end
  end
  return done
end
