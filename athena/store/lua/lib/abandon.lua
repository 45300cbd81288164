-- Cancels a job that is not final, queued or running. The worker that holds it, if any, finds its id in a set.
local function cancel(id, token, reason)
  settle(id, facts(id), now_ms(), 'canceled', '10101', reason, '', '', '')
  local incarnation = holder(token)
  if incarnation and redis.call('HEXISTS', INFLIGHT .. incarnation, id) == 1 then
    redis.call('SADD', CANCELED .. incarnation, id)
  end
end
