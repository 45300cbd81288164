-- Looks for open jobs that nobody will ever run: their message lies neither in their queue nor with the worker that is
-- said to hold them.
--
-- KEYS  1 queue
-- ARGV  1 '1' to end those that are lost, and to let those go on that lie in the queue   2 how many messages are looked
--       at at most   3… ids of jobs whose records name the queue
-- Returns {five items per difference: job id, what, queue, what was found, what is right; '1' if the queue is too long}.
-- Then it is not known which messages lie in it, and jobs without a holder are set free: they run, or expire.

local AT_ONCE, TEXT = 50, 'its queue message was lost; send it again'
local queue, repairs, found, queued = KEYS[1], ARGV[1] == '1', {}, {}

local kind = redis.call('TYPE', queue).ok
if kind ~= 'list' and kind ~= 'none' then
  return {{'', 'key', queue, kind, 'list'}, ''}
end
local length = redis.call('LLEN', queue)
local is_too_long = length > tonumber(ARGV[2])
for first = 0, is_too_long and -1 or length - 1, AT_ONCE do
  for _, message in ipairs(redis.call('LRANGE', queue, first, first + AT_ONCE - 1)) do
    local id = string.match(message, '"id": ?"([^"]+)"')
    if id then
      queued[id] = true
    end
  end
end

-- They lie elsewhere until they are tried again.
local later = {}
local service_id = string.match(queue, '^[^.]*')
for _, message in ipairs(redis.call('ZRANGE', LATER .. service_id, 0, ARGV[2])) do
  later[string.match(message, '"id": ?"([^"]+)"') or ''] = true
end

local function repair(id, known)
  if not queued[id] and not is_too_long then
    settle(id, known, now_ms(), 'failed', '11502', TEXT, '', '', '')
    return
  end
  redis.call('HSET', JOB .. id, 'state', 'queued', 'token', '')
  redis.call('HDEL', JOB .. id, 'started_ms', 'worker', 'gpu_type', 'progress')
  ring(queue)
end

local function check(id)
  local known = facts(id)
  if later[id] then return end
  if not known.state or FINAL[known.state] or redis.call('HGET', JOB .. id, 'queue') ~= queue then return end
  local worker = holder(known.token)
  if not worker and (queued[id] or is_too_long) then return end
  if worker and redis.call('HEXISTS', INFLIGHT .. worker, id) == 1 then return end
  local said = worker and 'held by ' .. worker or 'queued'
  local right = queued[id] and 'queued' or is_too_long and 'held by nobody' or 'nowhere'
  for _, item in ipairs({id, 'lost', queue, said, right}) do
    found[#found + 1] = item
  end
  if repairs then
    repair(id, known)
  end
end

if repairs then
  admit_writes()
end
for i = 3, #ARGV do
  pcall(check, ARGV[i])
end
close_books()
return {found, is_too_long and '1' or ''}
