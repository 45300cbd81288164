-- Returns jobs to the head of their queues whose calls failed in a process that was found broken.
--
-- ARGV  1 incarnation   2 what was wrong with the process   3 the worker's name   4… per job: id, token
-- Returns the number of jobs that went back

local wanted, now = {}, now_ms()
for i = 4, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end

-- This attempt does not count. The next one is made in a process that has just answered its example.
local function acquit(job)
  note_attempt(job.id, job.token, now, 'broke', ARGV[3], ARGV[2])
  put_back(job.id, job.message, 'alone', SUSPECT, 'attempts', tonumber(string.match(job.token, '^%d+')) - 1,
    'last_failure', ARGV[2], 'expires_ms', now + (job.max_queue_ms or 0))
end

local held = held_jobs(ARGV[1], function(id, token) return wanted[id] == token end)
local done = each_job(ARGV[1], held, acquit)
close_meters()
local entry = #done > 0 and redis.call('HGET', WORKERS, ARGV[1])
if entry then
  local service_id, gpu_type = string.match(entry, '"service_id":"([^"]*)"'), string.match(entry, '"gpu_type":"([^"]*)"')
  redis.pcall('HINCRBY', COUNTS .. (service_id or ''), 'try broken ' .. (gpu_type or ''), #done)
end
return #done
