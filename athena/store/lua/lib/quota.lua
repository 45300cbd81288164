-- Holds apps to their quotas. A script that accepts jobs asks `over_rate` and `over_limits`, and then says `admit`.

-- What the script knows of an app, in all abilities ('') or in one.
local accounts, moment = {}, 0

-- Fills a bucket up to now; one that was never used is full.
local function fill(account, bucket)
  local tokens, filled_ms = string.match(bucket or '', '^(%S+) (%d+)$')
  -- A clock that was set back takes nothing away.
  local passed_ms = math.max(0, moment - (tonumber(filled_ms) or moment))
  account.tokens = math.min(account.burst, (tonumber(tokens) or account.burst) + passed_ms * account.rate / 1000)
end

-- `text` holds, with '-' for what has no limit: requests a second, how many at once, open jobs, queued jobs, bytes of
-- open jobs, milliseconds of a device a day.
local function account_of(app, service_id, text)
  local name = app .. '\0' .. service_id
  local account = accounts[name]
  if account or text == '' then return account end
  local rate, burst, open, queued, bytes, ms = string.match(text, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  local key = service_id == '' and METERS or METER .. service_id
  local known = redis.call('HMGET', key, 'open\0' .. app, 'queued\0' .. app, 'bytes\0' .. app, 'bucket\0' .. app)
  account = {key = key, app = app, name = service_id == '' and 'app' or 'ability', rate = tonumber(rate),
    burst = tonumber(burst), limits = {tonumber(open), tonumber(queued), tonumber(bytes)},
    counts = {tonumber(known[1]) or 0, tonumber(known[2]) or 0, tonumber(known[3]) or 0}, ms = tonumber(ms)}
  if account.rate then
    fill(account, known[4])
  end
  if account.ms then
    account.used_ms = tonumber(redis.call('HGET', USAGE .. math.floor(moment / 86400000), name .. '\0ms')) or 0
  end
  accounts[name] = account
  return account
end

-- The accounts of a job; `quota` is its app, and the texts for all abilities and for this one.
local function accounts_of(quota, service_id, now)
  moment = now
  local app, all, one = string.match(quota, '^(%Z*)%z(%Z*)%z(%Z*)$')
  local found = {}
  found[#found + 1] = account_of(app, '', all)
  found[#found + 1] = account_of(app, service_id, one)
  return found, app
end

local function refusal(account, what, limit, wait_ms)
  return string.format('quota %s %s %s %d', account.name, what, limit, math.ceil(wait_ms))
end

-- Counts a request; returns why it is refused, nil if it is not.
local function over_rate(found)
  for _, account in ipairs(found) do
    if account.rate and account.tokens < 1 then
      return refusal(account, 'requests', account.rate .. '/' .. account.burst, (1 - account.tokens) * 1000 / account.rate)
    end
  end
  for _, account in ipairs(found) do
    if account.rate then
      account.tokens, account.is_used = account.tokens - 1, true
    end
  end
end

local NAMES = {'jobs', 'queued_jobs', 'bytes'}

-- Returns why a job of so many bytes is refused, nil if it is not.
local function over_limits(found, bytes)
  for _, account in ipairs(found) do
    for i, more in ipairs({1, 1, bytes}) do
      if account.limits[i] and account.counts[i] + more > account.limits[i] then
        return refusal(account, NAMES[i], string.format('%d', account.limits[i]), 1000)
      end
    end
    if account.ms and account.used_ms >= account.ms then
      return refusal(account, 'device_s_a_day', string.format('%d', account.ms / 1000), 86400000 - moment % 86400000)
    end
  end
end

-- Notes an accepted job.
local function admit(found, app, service_id, bytes)
  for _, account in ipairs(found) do
    for i, more in ipairs({1, 1, bytes}) do
      account.counts[i] = account.counts[i] + more
    end
  end
  meter_count(app, service_id, 'open', 1)
  meter_count(app, service_id, 'queued', 1)
  meter_count(app, service_id, 'bytes', bytes)
  meter_use(app, service_id, 'bytes', bytes)
end

-- What the caller may be told of its rate: whose it is, requests at once, a second, and left; '' without one.
local function rate_left(found)
  local least
  for _, account in ipairs(found) do
    if account.rate and (not least or account.tokens < least.tokens) then
      least = account
    end
  end
  return least and string.format(' %s %s %s %d', least.name, least.burst, least.rate, math.max(0, least.tokens)) or ''
end

-- To be called once, at the end, before `close_meters`.
local function close_quotas()
  for _, account in pairs(accounts) do
    if account.is_used then
      redis.call('HSET', account.key, 'bucket\0' .. account.app, string.format('%.6f %d', account.tokens, moment))
    end
  end
end
