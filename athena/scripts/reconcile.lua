-- After a lost reply: returns the jobs that Redis says this worker holds and that it does not know of.
--
-- ARGV  1 incarnation   2… ids of the jobs that the worker knows of
-- Returns the ids that went back

local incarnation, inflight = ARGV[1], INFLIGHT .. ARGV[1]
local known, returned = {}, {}
for i = 2, #ARGV do
  known[ARGV[i]] = true
end
for _, id in ipairs(redis.call('HKEYS', inflight)) do
  if not known[id] and put_back(inflight, id, function(token) return string.match(token, ':(.*)$') == incarnation end) then
    returned[#returned + 1] = id
  end
end
return returned
