-- Keeps the inputs of jobs that did not succeed, so that they can be tried again.

-- So many bytes are kept for one ability, and as many for all dead letters; the oldest go first.
local KEPT_LIMIT = 67108864

-- `group` is the ability, or 'athena:dead'; `message` is '' where it still lies in the queue.
local function keep_inputs(group, id, message, claim, bytes, ttl_ms)
  if message ~= '' then
    redis.call('SET', MESSAGE .. id, message, 'PX', ttl_ms)
  end
  if claim then
    redis.call('PEXPIRE', PAYLOAD .. id, ttl_ms)
  end
  redis.call('LPUSH', KEPT .. group, bytes .. ' ' .. id)
  local kept = redis.call('HINCRBY', LOAD .. group, 'kept_bytes', bytes)
  while kept > KEPT_LIMIT do
    local oldest = redis.call('RPOP', KEPT .. group)
    if not oldest then
      redis.call('HSET', LOAD .. group, 'kept_bytes', 0)
      return
    end
    local size, old_id = string.match(oldest, '^(%d+) (.*)$')
    redis.call('UNLINK', MESSAGE .. old_id, PAYLOAD .. old_id)
    kept = redis.call('HINCRBY', LOAD .. group, 'kept_bytes', -size)
  end
end

-- Forgets what was kept and has expired; `limit` entries at most.
local function forget_expired(group, limit)
  for _ = 1, limit do
    local size, id = string.match(redis.call('LINDEX', KEPT .. group, -1) or '', '^(%d+) (.*)$')
    if not id or redis.call('EXISTS', MESSAGE .. id, PAYLOAD .. id) > 0 then return end
    redis.call('RPOP', KEPT .. group)
    redis.call('HINCRBY', LOAD .. group, 'kept_bytes', -size)
  end
end

-- A job expired while its message lay in the queue; now the message is out, and belongs to what is kept.
local function keep_message(id, message, state)
  if state == 'expired' and redis.call('EXISTS', JOB .. id) == 1 then
    redis.call('HDEL', JOB .. id, 'unkept')
    redis.call('SET', MESSAGE .. id, message, 'PX', redis.call('HGET', JOB .. id, 'result_ttl_ms') or 1)
  end
end
