-- After a lost reply, and now and then: compares what Redis counts as held by a worker with what the worker knows of.
--
-- ARGV  1 incarnation   2… per job that the worker knows of: id, token
-- Returns {ids that went back to their queues, ids that the worker does not hold any more}

local known, gone = {}, {}
for i = 2, #ARGV, 2 do
  known[ARGV[i]] = ARGV[i + 1]
end
-- One of another token is of another take: Redis went back to an older state.
local function is_unknown(id, token)
  return not known[id] or token and token ~= known[id]
end

local returned = each_job(ARGV[1], held_jobs(ARGV[1], is_unknown), put_back_unstarted)
close_meters()
for id in pairs(known) do
  if redis.call('HEXISTS', INFLIGHT .. ARGV[1], id) == 0 then
    gone[#gone + 1] = id
  end
end
return {returned, gone}
