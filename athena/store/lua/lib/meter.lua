-- Counts what apps use whose requests are metered, and writes it once, at the end of the script.

-- A day's use is kept for so long.
local USAGE_MS = 100 * 86400000

-- ability -> field -> change; and the same of a day's use.
local metered, used = {}, {}

-- Notes a change of what an app has open: `what` is open, queued, or bytes.
local function meter_count(app, service_id, what, change)
  local page = metered[service_id]
  if not page then
    page = {}
    metered[service_id] = page
  end
  local field = what .. '\0' .. app
  page[field] = (page[field] or 0) + change
end

-- Notes what an app has used today.
local function meter_use(app, service_id, what, amount)
  local field = app .. '\0' .. service_id .. '\0' .. what
  used[field] = (used[field] or 0) + amount
end

-- Seconds of a device: a call's, divided by the jobs that shared it.
local function meter_device(app, service_id, gpu_type, exec_ms, batch_size)
  local share = math.floor((tonumber(exec_ms) or 0) / math.max(1, tonumber(batch_size) or 1) + 0.5)
  meter_use(app, service_id, 'ms ' .. gpu_type, share)
  -- What quotas are about: of one ability, and of all together.
  meter_use(app, service_id, 'ms', share)
  meter_use(app, '', 'ms', share)
end

local function write_use()
  if not next(used) then return end
  local key, is_new = USAGE .. math.floor(now_ms() / 86400000), false
  for field, amount in pairs(used) do
    is_new = redis.pcall('HINCRBY', key, field, string.format('%d', amount)) == amount or is_new
  end
  if is_new then
    redis.pcall('PEXPIRE', key, USAGE_MS)
  end
  used = {}
end

-- To be called once, at the end. A key that is not what it should be keeps nobody's job from its end.
local function close_meters()
  for service_id, page in pairs(metered) do
    for field, change in pairs(page) do
      if change ~= 0 then
        redis.pcall('HINCRBY', METER .. service_id, field, change)
        redis.pcall('HINCRBY', METERS, field, change)
      end
    end
  end
  metered = {}
  write_use()
end
