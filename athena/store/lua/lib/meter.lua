-- Counts what apps use whose requests are metered: read once, when it is first asked for, and written once, at the end
-- of the script. Each command costs Redis as much as 20 lines here.

-- A day's use is kept for so long.
local DAY_MS, USAGE_MS = 86400000, 100 * 86400000

-- An account is a list of what an app has open, in one ability or in all ('' as ability): open jobs, queued ones, their
-- bytes; tokens of its bucket, -1 for one that was never used, and when they were right; a day, and milliseconds of
-- devices on that day. As text, numbers would cost as much as the commands.
local A_OPEN, A_QUEUED, A_BYTES, A_TOKENS, A_FILLED_MS, A_DAY, A_MS = 1, 2, 3, 4, 5, 6, 7
local ACCOUNT_FORM, ACCOUNT_BYTES = '<ddddddd', 56

-- app -> ability -> what this script knows of both; app -> its account in all abilities.
local meters, sums = {}, {}

local function read_account(text)
  if text and #text == ACCOUNT_BYTES then
    return {struct.unpack(ACCOUNT_FORM, text)}
  end
  return {0, 0, 0, -1, 0, 0, 0}
end

local function open_meter(app, service_id)
  local meter = {app = app, uses = {}}
  local known = redis.pcall('HMGET', ACCOUNT .. app, '', service_id)
  if not known.err then
    sums[app] = sums[app] or read_account(known[1])
    meter.all, meter.one, meter.is_new = sums[app], read_account(known[2]), not known[2]
  end
  return meter
end

-- The ability that a side version is of: all of its versions count together.
local function main_of(service_id)
  return string.match(service_id, '^[^@]*')
end

-- Returns the accounts of an app, `all` and `one`; without them where the key is not what it should be.
local function meter_of(app, service_id)
  service_id = main_of(service_id)
  local page = meters[app]
  if not page then
    page = {}
    meters[app] = page
  end
  local meter = page[service_id]
  if not meter then
    meter = open_meter(app, service_id)
    page[service_id] = meter
  end
  return meter
end

-- Notes a change of what an app has open.
local function meter_open(meter, jobs, queued, bytes)
  local all, one = meter.all, meter.one
  if one then
    all[A_OPEN], one[A_OPEN] = all[A_OPEN] + jobs, one[A_OPEN] + jobs
    all[A_QUEUED], one[A_QUEUED] = all[A_QUEUED] + queued, one[A_QUEUED] + queued
    all[A_BYTES], one[A_BYTES] = all[A_BYTES] + bytes, one[A_BYTES] + bytes
    meter.is_changed = true
  end
end

-- Notes that a job waits (1), or does not any more (-1).
local function meter_queued(app, service_id, change)
  meter_open(meter_of(app, service_id), 0, change, 0)
end

-- Notes what an app has used today.
local function meter_use(meter, what, amount)
  meter.uses[what] = (meter.uses[what] or 0) + amount
end

local function today()
  return math.floor(now_ms() / DAY_MS)
end

-- Notes the end of a job. Its request and its bytes count from now on: what is open is known anyway.
local function meter_end(app, service_id, state, bytes, is_queued)
  local meter = meter_of(app, service_id)
  meter_open(meter, -1, is_queued and -1 or 0, -bytes)
  meter_use(meter, 'jobs ' .. state, 1)
  meter_use(meter, 'bytes', bytes)
end

-- Seconds of a device: a call's, divided by the jobs that shared it.
local function meter_device(app, service_id, gpu_type, exec_ms, batch_size)
  local meter, day = meter_of(app, service_id), today()
  local share = math.floor((tonumber(exec_ms) or 0) / math.max(1, tonumber(batch_size) or 1) + 0.5)
  meter_use(meter, 'ms ' .. gpu_type, share)
  for _, account in ipairs({meter.all, meter.one}) do
    account[A_MS] = (account[A_DAY] == day and account[A_MS] or 0) + share
    account[A_DAY] = day
  end
  meter.is_changed = true
end

local function write_use(app, service_id, meter)
  local key, is_new = USAGE .. today(), false
  for what, amount in pairs(meter.uses) do
    local field = app .. '\0' .. service_id .. '\0' .. what
    is_new = redis.pcall('HINCRBY', key, field, string.format('%d', amount)) == amount or is_new
  end
  if is_new then
    redis.pcall('PEXPIRE', key, USAGE_MS)
  end
  meter.uses = {}
end

-- To be called once, at the end. A key that is not what it should be keeps nobody's job from its end.
local function close_meters()
  for app, page in pairs(meters) do
    local changed = {}
    for service_id, meter in pairs(page) do
      if meter.is_changed and meter.one then
        changed[#changed + 1] = service_id
        changed[#changed + 1] = struct.pack(ACCOUNT_FORM, unpack(meter.one))
        if meter.is_new then
          redis.pcall('SADD', ACCOUNTS, app)
        end
      end
      if next(meter.uses) then
        write_use(app, service_id, meter)
      end
    end
    if #changed > 0 then
      redis.pcall('HSET', ACCOUNT .. app, '', struct.pack(ACCOUNT_FORM, unpack(sums[app])), unpack(changed))
    end
  end
  meters, sums = {}, {}
end
