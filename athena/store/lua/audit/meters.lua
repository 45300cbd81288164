-- Counts what metered apps have open, from the records of jobs.
--
-- ARGV  1 service_id, or '*': then each app's sum is compared with its counts of all abilities
--       2 '1' to write what was counted   3 how many open jobs are looked at most   4 the only app; none: all
-- Versions of an ability that are served beside the main one count with it; asked for themselves they have nothing.
-- Returns {five items per difference: '', 'quota', ability and app, what was found, what is right; what was not counted,
-- because there are too many}

local service_id, repairs, most = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])
local only, found, NAMES = ARGV[4], {}, {'open', 'queued', 'bytes'}

local function shown(counts)
  local words = {}
  for i, name in ipairs(NAMES) do
    words[i] = string.format('%s %d', name, counts[i])
  end
  return table.concat(words, ', ')
end

local function compare(app, counts, right)
  if only and app ~= only or shown(counts) == shown(right) then return false end
  for _, item in ipairs({'', 'quota', service_id .. ' ' .. app, shown(counts), shown(right)}) do
    found[#found + 1] = item
  end
  return repairs
end

local function metered_apps()
  local apps = redis.pcall('SMEMBERS', ACCOUNTS)
  return apps.err and {} or apps
end

local function add(right, id)
  local known = redis.pcall('HMGET', JOB .. id, 'meter', 'bytes', 'token')
  if not known.err and known[1] then
    local counts = right[known[1]] or {0, 0, 0}
    right[known[1]] = counts
    counts[1], counts[3] = counts[1] + 1, counts[3] + (tonumber(known[2]) or 0)
    counts[2] = counts[2] + ((known[3] or '') == '' and 1 or 0)
  end
end

-- What apps have open in the ability; those that have nothing are there, too.
local function counted(versions)
  local right = {}
  for _, app in ipairs(metered_apps()) do
    right[app] = {0, 0, 0}
  end
  for _, version in ipairs(versions) do
    for _, id in ipairs(redis.call('ZRANGE', OPEN .. version, 0, -1)) do
      add(right, id)
    end
  end
  return right
end

local function check_ability(versions)
  for app, right in pairs(counted(versions)) do
    local meter = meter_of(app, service_id)
    local one = meter.one
    if one and compare(app, one, right) then
      meter_open(meter, right[1] - one[1], right[2] - one[2], right[3] - one[3])
    end
  end
  close_meters()
end

local function check_sum(app)
  local flat, sum, right = redis.pcall('HGETALL', ACCOUNT .. app), read_account(), {0, 0, 0}
  if flat.err then return end
  for i = 1, #flat, 2 do
    local account = read_account(flat[i + 1])
    if flat[i] == '' then
      sum = account
    else
      for at = 1, 3 do
        right[at] = right[at] + account[at]
      end
    end
  end
  if compare(app, sum, right) then
    sum[1], sum[2], sum[3] = right[1], right[2], right[3]
    redis.call('HSET', ACCOUNT .. app, '', struct.pack(ACCOUNT_FORM, unpack(sum)))
  end
end

if repairs then
  admit_writes()
end
if service_id == '*' then
  for _, app in ipairs(metered_apps()) do
    check_sum(app)
  end
  return {found, {}}
end
if main_of(service_id) ~= service_id then
  return {found, {}}
end
local versions = versions_of(service_id)
if count_open(versions) > most then
  return {found, next(metered_apps()) and {'quotas'} or {}}
end
check_ability(versions)
return {found, {}}
