-- Returns taken jobs that did not start to the head of their queues.
--
-- ARGV  1 incarnation   2… job id, token, from the one taken last to the one taken first
-- Returns the number of jobs that went back

local inflight, count = INFLIGHT .. ARGV[1], 0
for i = 2, #ARGV, 2 do
  if put_back(inflight, ARGV[i], function(token) return token == ARGV[i + 1] end) then
    count = count + 1
  end
end
return count
