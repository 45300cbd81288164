-- Accepts jobs into their queues. A script that does calls `try_submit` for each, and `close_admission` once.

-- How many arguments each job has before the fields of its record (see submit.lua).
local FIXED = 14
local now = now_ms()
-- Redis 6 takes far longer than this to write a number as text, and each is written several times.
local now_text = string.format('%d', now)

-- What the script found of a queue and of an ability, and what it puts there and into the lists of apps at its end, for
-- all jobs at once.
local queues, abilities, apps = {}, {}, {}
-- What is counted: ability -> field -> how many.
local counted = {}
-- Done after all else: a write that needs no memory would make Redis accept those that do.
local dropped, attached = {}, {}

local function queue_of(name, service_id)
  local queue = queues[name]
  if not queue then
    -- Also makes sure of the kind of a key that is written at the end, when it is too late to refuse one job alone.
    redis.call('SCARD', QUEUES .. service_id)
    local given_in = tonumber(redis.call('HGET', LINE .. name, 'in')) or 0
    queue = {service_id = service_id, depth = redis.call('LLEN', name), seq = given_in, messages = {}, canaries = 0}
    queues[name] = queue
  end
  return queue
end

local function ability_of(service_id)
  local ability = abilities[service_id]
  if not ability then
    redis.call('ZCARD', OPEN .. service_id)
    local bytes = tonumber(redis.call('HGET', LOAD .. service_id, 'bytes')) or 0
    ability = {bytes = bytes, added = 0, open = {}}
    abilities[service_id] = ability
  end
  return ability
end

local function list_for(app_id, expires_ms, id)
  local listed = apps[app_id]
  if not listed then
    redis.call('ZCARD', APP_OPEN .. app_id)
    listed = {}
    apps[app_id] = listed
  end
  listed[#listed + 1] = expires_ms
  listed[#listed + 1] = id
end

local function refuse(id, claim, verdict)
  if claim then
    dropped[#dropped + 1] = PAYLOAD .. id
  end
  return verdict
end

local function count(service_id, field, amount)
  local page = counted[service_id]
  if not page then
    page = {}
    counted[service_id] = page
  end
  page[field] = (page[field] or 0) + amount
end

-- As in `refuse`, and counted.
local function reject(id, claim, verdict, service_id, reason)
  count(service_id, 'refused ' .. reason, 1)
  return refuse(id, claim, verdict)
end

-- The job of an ability that an app knows by an id of its own, if its record lives: id, state, hash of its body. In
-- whichever version: a request that is repeated after a change of shares must not run in another one, too.
local function known_job(request_key, main_id, app_id)
  -- A version before this one wrote the app alone, for whatever ability.
  for _, entry in ipairs(redis.call('HMGET', request_key, main_id .. '\0' .. app_id, app_id)) do
    local id, body_hash = string.match(entry or '', '^(.-) (.*)$')
    local known = id and redis.call('HMGET', JOB .. id, 'state', 'service_id') or {}
    if known[1] and known[2] and main_of(known[2]) == main_id then
      return id, known[1], body_hash
    end
  end
end

-- One that is not wanted is still found, if it came before. Also returns whether it counts already as a request.
local function submit(at, queue_name, request_key, is_wanted)
  local id, gateway, body_hash, app_id, service_id = ARGV[at], ARGV[at + 3], ARGV[at + 4], ARGV[at + 7], ARGV[at + 8]
  local claim, bytes = ARGV[at + 5] == '1', tonumber(ARGV[at + 9])
  local found = ARGV[at + 13] ~= '' and limits_for(ARGV[at + 13], service_id)
  local over = found and over_rate(found)
  if over then
    return reject(id, claim, over, service_id, 'quota'), true
  end
  if request_key ~= '' then
    local known_id, state, known_hash = known_job(request_key, main_of(service_id), app_id)
    if state and known_hash ~= body_hash then
      return reject(id, claim, 'conflict ' .. known_id, service_id, 'conflict')
    end
    if state then
      if gateway ~= '' and not FINAL[state] then
        attached[#attached + 1] = {JOB .. known_id, gateway}
      end
      return refuse(id, claim, 'attached ' .. known_id .. ' ' .. state)
    end
  end

  if not is_wanted then
    return refuse(id, claim, 'gone')
  end
  local queue, ability = queue_of(queue_name, service_id), ability_of(service_id)
  if queue.depth >= tonumber(ARGV[at + 2]) then
    return reject(id, claim, 'full ' .. queue.depth, service_id, 'queue_full')
  end
  if ability.bytes > 0 and ability.bytes + bytes > tonumber(ARGV[at + 10]) then
    return reject(id, claim, string.format('heavy %d', ability.bytes), service_id, 'bytes_full')
  end
  if claim and redis.call('EXISTS', PAYLOAD .. id) == 0 then
    return reject(id, false, 'payload_lost', service_id, 'inputs_lost')
  end
  over = found and over_limits(found, bytes)
  if over then
    return reject(id, claim, over, service_id, 'quota'), true
  end

  local key, expires_ms = JOB .. id, string.format('%d', now + ARGV[at + 6])
  -- What is looked at most comes first: Redis searches a small hash from its beginning.
  redis.call('HSET', key, 'state', 'queued', 'expires_ms', expires_ms, 'seq', string.format('%d', queue.seq + 1), 'gateways', gateway,
    'service_id', service_id, 'bytes', ARGV[at + 9], 'queue', queue_name, 'queued_ms', now_text, 'max_queue_ms', ARGV[at + 6],
    'app_id', app_id, unpack(ARGV, at + FIXED, at + FIXED - 1 + ARGV[at + 12]))
  if claim then
    redis.call('HSET', key, 'claim', 1)
    -- The gateway wrote it with a TTL, so that a gateway that dies before this leaves nothing behind.
    redis.call('PERSIST', PAYLOAD .. id)
  end
  if request_key ~= '' then
    redis.call('HSET', request_key, main_of(service_id) .. '\0' .. app_id, id .. ' ' .. body_hash)
    redis.call('PERSIST', request_key)
    redis.call('HSET', key, 'request_key', request_key)
  end
  queue.seq, queue.depth = queue.seq + 1, queue.depth + 1
  queue.messages[#queue.messages + 1] = ARGV[at + 1]
  -- `abandonable` comes last in a record; 2 are a gateway's own examples, which are in no metric. What is accepted is
  -- counted by the queue's numbers, which are written in any case.
  if ARGV[at + 11] == '1' and ARGV[at + FIXED - 1 + ARGV[at + 12]] == '2' then
    queue.canaries = queue.canaries + 1
  end
  ability.bytes, ability.added = ability.bytes + bytes, ability.added + bytes
  ability.open[#ability.open + 1] = expires_ms
  ability.open[#ability.open + 1] = id
  if ARGV[at + 11] ~= '1' and app_id ~= '' then
    list_for(app_id, expires_ms, id)
  end
  if not found then return 'accepted' end
  meter_open(found.meter, 1, 1, bytes)
  return 'accepted' .. rate_left(found), true
end

local function open_books(service_id, ability)
  if #ability.open > 0 then
    redis.call('ZADD', OPEN .. service_id, unpack(ability.open))
    redis.call('HINCRBY', LOAD .. service_id, 'bytes', ability.added)
  end
end

local function push(name, queue)
  local added = #queue.messages
  if added > 0 then
    redis.call('HSET', LINE .. name, 'in', queue.seq)
    if redis.call('LPUSH', name, unpack(queue.messages)) == added then
      enroll(queue.service_id, name)
    end
    ring(name)
    if queue.canaries > 0 then
      count(queue.service_id, 'canaries ' .. lane_of(name), queue.canaries)
    end
  end
end

-- A job whose keys are not what they should be never takes the others with it.
local function try_submit(at, queue_name, request_key, is_wanted)
  local ok, answer, is_counted = pcall(submit, at, queue_name, request_key, is_wanted)
  if ok then
    if not is_counted and ARGV[at + 13] ~= '' then
      -- Neither is it refused, nor will a job end that counts it.
      meter_use(limits_for(ARGV[at + 13], ARGV[at + 8]).meter, 'requests', 1)
    end
    return answer
  end
  local text = type(answer) == 'table' and answer.err or tostring(answer)
  if string.find(text, 'READONLY', 1, true) then
    -- Nothing was written. Who hears of it leaves this server for its master.
    error(answer, 0)
  end
  dropped[#dropped + 1] = JOB .. ARGV[at]
  dropped[#dropped + 1] = PAYLOAD .. ARGV[at]
  count(ARGV[at + 8], 'refused redis_error', 1)
  return 'failed ' .. text
end

local function close_admission()
  for service_id, ability in pairs(abilities) do
    open_books(service_id, ability)
  end
  for app_id, listed in pairs(apps) do
    redis.call('ZADD', APP_OPEN .. app_id, unpack(listed))
  end
  for name, queue in pairs(queues) do
    push(name, queue)
  end
  for service_id, page in pairs(counted) do
    for field, amount in pairs(page) do
      -- A key that is not what it should be keeps nobody's job from its queue.
      redis.pcall('HINCRBY', COUNTS .. service_id, field, amount)
    end
  end
  close_meters()
  if #dropped > 0 then
    redis.call('UNLINK', unpack(dropped))
  end
  if #attached > 0 then
    admit_writes()
  end
  for _, waiting in ipairs(attached) do
    add_gateway(unpack(waiting))
  end
end
