-- Holds apps to their quotas. A script that accepts jobs asks `over_rate` and `over_limits`, and then says `admit`.

-- Quotas of an app -> ability -> its limits, as this script has read them.
local limited, moment = {}, now_ms()

-- Fills a bucket up to now; one that was never used is full.
local function fill(account, limits)
  if account[A_TOKENS] < 0 then
    account[A_TOKENS], account[A_FILLED_MS] = limits.burst, moment
  end
  -- A clock that was set back takes nothing away.
  local passed_ms = math.max(0, moment - account[A_FILLED_MS])
  account[A_TOKENS] = math.min(limits.burst, account[A_TOKENS] + passed_ms * limits.rate / 1000)
  account[A_FILLED_MS] = moment
end

-- `text` holds, with '-' for what has no limit: requests a second, how many at once, open jobs, queued jobs, bytes of
-- open jobs, milliseconds of a device a day.
local function limits_of(account, name, text)
  if text == '' then return end
  local rate, burst, open, queued, bytes, ms = string.match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  local limits = {account = account, name = name, rate = tonumber(rate), burst = tonumber(burst), jobs = tonumber(open),
    queued_jobs = tonumber(queued), bytes = tonumber(bytes), ms = tonumber(ms)}
  if limits.rate then
    limits.rate_text = ' ' .. name .. ' ' .. burst .. ' ' .. rate .. ' '
    limits.refused_text = rate .. '/' .. burst
    fill(account, limits)
  end
  return limits
end

local function read_limits(quota, service_id)
  local app, all_text, one_text = string.match(quota, '^(%Z*)%z(%Z*)%z(%Z*)$')
  local meter = meter_of(app, service_id)
  if not meter.one then
    error('the account of ' .. app .. ' is not what it should be')
  end
  local found = {meter = meter}
  found[1] = limits_of(meter.all, 'app', all_text)
  found[#found + 1] = limits_of(meter.one, 'ability', one_text)
  return found
end

-- The limits of a job; `quota` is its app, and the texts for all abilities and for this one.
local function limits_for(quota, service_id)
  local page = limited[quota]
  if not page then
    page = {}
    limited[quota] = page
  end
  page[service_id] = page[service_id] or read_limits(quota, service_id)
  return page[service_id]
end

local function refusal(found, limits, what, limit, wait_ms)
  meter_use(found.meter, 'refused', 1)
  return string.format('quota %s %s %s %d', limits.name, what, limit, math.ceil(wait_ms))
end

-- Counts a request; returns why it is refused, nil if it is not.
local function over_rate(found)
  for _, limits in ipairs(found) do
    if limits.rate and limits.account[A_TOKENS] < 1 then
      local wait_ms = (1 - limits.account[A_TOKENS]) * 1000 / limits.rate
      return refusal(found, limits, 'requests', limits.refused_text, wait_ms)
    end
  end
  for _, limits in ipairs(found) do
    if limits.rate then
      limits.account[A_TOKENS] = limits.account[A_TOKENS] - 1
      found.meter.is_changed = true
    end
  end
end

-- Returns the limit that a job of so many bytes would break; nil for none.
local function broken(limits, bytes)
  local account = limits.account
  if limits.jobs and account[A_OPEN] >= limits.jobs then return 'jobs' end
  if limits.queued_jobs and account[A_QUEUED] >= limits.queued_jobs then return 'queued_jobs' end
  if limits.bytes and account[A_BYTES] + bytes > limits.bytes then return 'bytes' end
end

-- Returns why a job of so many bytes is refused, nil if it is not.
local function over_limits(found, bytes)
  for _, limits in ipairs(found) do
    local what = broken(limits, bytes)
    if what then
      return refusal(found, limits, what, string.format('%d', limits[what]), 1000)
    end
    if limits.ms and limits.account[A_MS] >= limits.ms and limits.account[A_DAY] == today() then
      local seconds = string.format('%d', limits.ms / 1000)
      return refusal(found, limits, 'device_s_a_day', seconds, DAY_MS - moment % DAY_MS)
    end
  end
end

-- What the caller may be told of its rate: whose it is, requests at once, a second, and left; '' without one.
local function rate_left(found)
  local least
  for _, limits in ipairs(found) do
    if limits.rate and (not least or limits.account[A_TOKENS] < least.account[A_TOKENS]) then
      least = limits
    end
  end
  return least and least.rate_text .. string.format('%d', math.max(0, least.account[A_TOKENS])) or ''
end
