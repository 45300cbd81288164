-- Lists jobs of an ability: open ones by their deadline, or ended ones from the last to the first.
--
-- ARGV  1 service_id   2 'open' or 'ended'   3 how many jobs to pass over   4 how many to return at most
--       5 state, '' for any   6 app_id, '' for any
-- Returns {how many jobs to pass over next time, -1 at the end, then per job: id, fields of the record}

local SCANNED = 1000
local key = (ARGV[2] == 'open' and OPEN or ENDED) .. ARGV[1]
local first, wanted = tonumber(ARGV[3]), tonumber(ARGV[4])
local order = ARGV[2] == 'open' and 'ZRANGE' or 'ZREVRANGE'
local ids, found = redis.call(order, key, first, first + SCANNED - 1), {}
local passed = 0
for _, id in ipairs(ids) do
  if #found >= 2 * wanted then break end
  passed = passed + 1
  local known = redis.call('HMGET', JOB .. id, 'state', 'app_id')
  if known[1] and (ARGV[5] == '' or known[1] == ARGV[5]) and (ARGV[6] == '' or known[2] == ARGV[6]) then
    found[#found + 1] = id
    found[#found + 1] = redis.call('HGETALL', JOB .. id)
  end
end
local next_first = (passed == #ids and #ids < SCANNED) and -1 or first + passed
return {next_first, unpack(found)}
