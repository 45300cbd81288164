-- Compares the members of a list of jobs with their records.
--
-- KEYS  1 the sorted set
-- ARGV  1 what it lists: open, app_open, ended, app_ended, dead   2 whose   3 '1' to take out what does not belong there
--       4… job ids
-- Returns five items per difference: job id, what, whose, what was found, what is right

local what, owner, repairs, found = ARGV[1], ARGV[2], ARGV[3] == '1', {}

-- Ended jobs stay listed when their records are gone, until their time is over.
local function belongs(state, service_id, app_id, abandonable)
  local is_open = state and not FINAL[state]
  if what == 'open' then return is_open and service_id == owner end
  if what == 'app_open' then return is_open and app_id == owner and not abandonable end
  if what == 'dead' then return state == 'poisoned' end
  if not state then return true end
  if what == 'ended' then return not is_open and service_id == owner end
  return not is_open and app_id == owner
end

if repairs then
  admit_writes()
end
for i = 4, #ARGV do
  local id = ARGV[i]
  local known = redis.pcall('HMGET', JOB .. id, 'state', 'service_id', 'app_id', 'abandonable')
  if not known.err and redis.call('ZSCORE', KEYS[1], id) and not belongs(unpack(known, 1, 4)) then
    for _, item in ipairs({id, what, owner, 'listed', 'not listed'}) do
      found[#found + 1] = item
    end
    if repairs then
      redis.call('ZREM', KEYS[1], id)
    end
  end
end
return found
