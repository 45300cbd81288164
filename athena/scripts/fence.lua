-- Shuts a dead worker out and ends the jobs it held. Done twice, the second time does nothing.
--
-- ARGV  1 incarnation   2 final state of the jobs that ran   3 code   4 message   5 code, 6 message for the others
-- Returns the ids of the jobs that were ended

local incarnation = ARGV[1]
local inflight = INFLIGHT .. incarnation
redis.call('HDEL', WORKERS, incarnation)
redis.call('HDEL', BEATS, incarnation)

local ids, ended, now = redis.call('HKEYS', inflight), {}, now_ms()
redis.call('DEL', inflight)
for _, id in ipairs(ids) do
  local known = redis.call('HMGET', JOB .. id, 'state', 'token')
  if known[1] and not FINAL[known[1]] and string.match(known[2] or '', ':(.*)$') == incarnation then
    if known[1] == 'running' then
      settle(id, now, ARGV[2], ARGV[3], ARGV[4], '', '')
    else
      settle(id, now, 'failed', ARGV[5], ARGV[6], '', '')
    end
    ended[#ended + 1] = id
  end
end
flush_replies()
return ended
