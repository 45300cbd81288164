-- Returns taken jobs that did not start to the head of their queues.
--
-- ARGV  1 incarnation   2… per job: id, token
-- Returns the number of jobs that went back

local wanted = {}
for i = 2, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end
local held = held_jobs(ARGV[1], function(id, token) return wanted[id] == token end)
return #each_job(ARGV[1], held, function(job) put_back(job.id, job.message) end)
