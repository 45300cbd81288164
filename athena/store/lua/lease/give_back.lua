-- Returns taken jobs to the head of their queues: those that did not start, and those that a broken process failed.
--
-- ARGV  1 incarnation   2 why their queues wait from now on, '' if they do not   3… per job: id, token
-- Returns the number of jobs that went back

local wanted = {}
for i = 3, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end

local function give_back(job)
  if ARGV[2] ~= '' then
    redis.call('HSET', LINE .. redis.call('HGET', JOB .. job.id, 'queue'), 'waits', job.id .. ' ' .. ARGV[2])
  end
  put_back_unstarted(job)
end

local held = held_jobs(ARGV[1], function(id, token) return wanted[id] == token end)
local done = each_job(ARGV[1], held, give_back)
close_meters()
return #done
