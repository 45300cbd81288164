-- Puts a job that a worker holds back to the head of its queue, if `may` says so of its token. Returns whether it did.
local function put_back(inflight, id, may)
  local message = redis.call('HGET', inflight, id)
  redis.call('HDEL', inflight, id)
  local known = redis.call('HMGET', JOB .. id, 'state', 'token', 'queue')
  if not message or not known[1] or FINAL[known[1]] or not may(known[2] or '') then
    return false
  end
  redis.call('HSET', JOB .. id, 'state', 'queued', 'token', '')
  redis.call('RPUSH', known[3], message)
  ring(known[3])
  return true
end
