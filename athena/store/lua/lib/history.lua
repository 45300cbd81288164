-- Records of jobs that only their callers knew and that did not succeed: kept as long as others, but so many of an
-- ability at most, and so many bytes; the oldest go first. A flood of failures fills no Redis.
local HISTORY_JOBS, HISTORY_BYTES = 10000, 16777216

local function drop_record(service_id, id)
  local app_id = redis.call('HGET', JOB .. id, 'app_id') or ''
  redis.call('UNLINK', JOB .. id, RESULT .. id, MESSAGE .. id, PAYLOAD .. id)
  redis.call('ZREM', ENDED .. service_id, id)
  if app_id ~= '' then
    redis.call('ZREM', APP_ENDED .. app_id, id)
  end
end

-- Takes the oldest off the list; returns its id and the bytes that are left, nil where there is none.
local function pop_history(service_id)
  local size, id = string.match(redis.call('RPOP', HISTORY .. service_id) or '', '^(%d+) (.*)$')
  if not id then return nil, 0 end
  return id, redis.call('HINCRBY', LOAD .. service_id, 'history_bytes', -size)
end

-- The job's record is written, all of it.
local function remember(service_id, id, ttl_ms)
  local key, size = HISTORY .. service_id, redis.call('MEMORY', 'USAGE', JOB .. id, 'SAMPLES', 0) or 0
  local count, bytes = redis.call('LPUSH', key, size .. ' ' .. id), size
  if count == 1 then
    -- The list before this one has expired with all that was in it.
    redis.call('HSET', LOAD .. service_id, 'history_bytes', size)
  else
    bytes = redis.call('HINCRBY', LOAD .. service_id, 'history_bytes', size)
  end
  redis.call('PEXPIRE', key, ttl_ms)
  while count > HISTORY_JOBS or bytes > HISTORY_BYTES do
    local oldest
    oldest, bytes = pop_history(service_id)
    if not oldest then return end
    count = count - 1
    drop_record(service_id, oldest)
  end
end

-- Forgets entries whose records have expired; `limit` of them at most.
local function forget_history(service_id, limit)
  for _ = 1, limit do
    local id = string.match(redis.call('LINDEX', HISTORY .. service_id, -1) or '', '^%d+ (.*)$')
    if not id or redis.call('EXISTS', JOB .. id) == 1 then return end
    pop_history(service_id)
  end
end
