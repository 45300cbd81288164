-- Returns taken jobs that did not start to the head of their queues.
--
-- ARGV  1 incarnation   2 why their queues wait from now on, '' if they do not   3… per job: id, token
-- Returns the number of jobs that went back

local wanted = {}
for i = 3, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end

local function give_back(job)
  if ARGV[2] == '' then
    put_back(job.id, job.message)
    return
  end
  -- A job that must run alone was counted when it was taken. Nobody began with it.
  local began = job.state == 'running' and 1 or 0
  redis.call('HSET', LINE .. redis.call('HGET', JOB .. job.id, 'queue'), 'waits', job.id .. ' ' .. ARGV[2])
  put_back(job.id, job.message, 'attempts', job.attempts - began)
end

local held = held_jobs(ARGV[1], function(id, token) return wanted[id] == token end)
return #each_job(ARGV[1], held, give_back)
