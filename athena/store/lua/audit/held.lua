-- Compares what a worker holds with the registry and with the jobs' records.
--
-- ARGV  1 incarnation   2 '1' to take out jobs that others hold   3… job ids
-- Returns five items per difference: job id or '', what, incarnation, what was found, what is right. Jobs of a worker that
-- is not registered go back by fence.lua.

local incarnation, repairs, found = ARGV[1], ARGV[2] == '1', {}
local inflight = INFLIGHT .. incarnation

local function note(...)
  for _, item in ipairs({...}) do
    found[#found + 1] = item
  end
end

if redis.call('HEXISTS', WORKERS, incarnation) == 0 then
  if redis.call('EXISTS', inflight, CANCELED .. incarnation) > 0 then
    note('', 'worker', incarnation, 'holds ' .. redis.call('HLEN', inflight) .. ' jobs, not registered', 'registered')
  end
  return found
end
if repairs then
  admit_writes()
end
for i = 3, #ARGV do
  local id = ARGV[i]
  local known = redis.pcall('HMGET', JOB .. id, 'state', 'token')
  -- One whose record is final or gone may still run there: it was canceled.
  local is_anothers = not known.err and known[1] and not FINAL[known[1]] and holder(known[2]) ~= incarnation
  if is_anothers and redis.call('HEXISTS', inflight, id) == 1 then
    note(id, 'held', incarnation, 'held', 'held by ' .. (holder(known[2]) or 'nobody'))
    if repairs then
      redis.call('HDEL', inflight, id)
    end
  end
end
return found
