-- Reads what metrics tell of abilities: one call for many, so that whoever is asked serves others meanwhile.
--
-- ARGV  abilities
-- Returns the time in milliseconds, and per ability, empty for one whose keys are not what they should be: {its counts;
-- five lines per queue that holds jobs, or did: name, jobs, when the next one was accepted or 0, '1' if it is paused, jobs
-- that it has accepted;
-- open jobs; jobs that are put off; retries; breaks}. Many lines are one text: Redis writes it at once, and an asker
-- sees at once whether it has changed.

local function queues_of(service_id)
  local found = {}
  for _, queue in ipairs(redis.call('SMEMBERS', QUEUES .. service_id)) do
    local place, jobs, oldest = #found, redis.call('LLEN', queue), false
    if jobs > 0 then
      local id = string.match(redis.call('LINDEX', queue, -1) or '', '"id": ?"([^"]+)"')
      oldest = id and redis.call('HGET', JOB .. id, 'queued_ms')
    end
    found[place + 1], found[place + 2], found[place + 3] = queue, jobs, string.format('%d', tonumber(oldest) or 0)
    local line = redis.call('HMGET', LINE .. queue, 'paused', 'in')
    found[place + 4], found[place + 5] = line[1] and '1' or '0', line[2] or '0'
  end
  return found
end

local function survey(service_id)
  fold(service_id)
  local load = redis.call('HMGET', LOAD .. service_id, 'retries', 'breaks')
  local counts = table.concat(redis.call('HGETALL', COUNTS .. service_id), '\n')
  return {counts, table.concat(queues_of(service_id), '\n'), redis.call('ZCARD', OPEN .. service_id),
    redis.call('ZCARD', LATER .. service_id), tonumber(load[1]) or 0, tonumber(load[2]) or 0}
end

local answers = {now_ms()}
for i, service_id in ipairs(ARGV) do
  local ok, answer = pcall(survey, service_id)
  answers[i + 1] = ok and answer or {}
end
return answers
