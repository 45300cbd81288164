-- Returns taken jobs that did not start to the head of their queues.
--
-- ARGV  1 incarnation   2… per job: id, token
-- Returns the number of jobs that went back

local wanted, count = {}, 0
for i = 2, #ARGV, 2 do
  wanted[ARGV[i]] = ARGV[i + 1]
end
for _, job in ipairs(held_jobs(ARGV[1], function(id, token) return wanted[id] == token end)) do
  put_back(job.id, job.message)
  count = count + 1
end
return count
