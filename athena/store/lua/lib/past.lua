-- Attempts of a job that came to nothing, for its timeline: `past` of its record, one line for each.
local PAST_ATTEMPTS, PAST_CHARS = 20, 500

-- To be called before the attempt's fields leave the record. `what` is a word, `worker` may be ''.
local function note_attempt(id, token, now, what, worker, reason)
  local known = redis.call('HMGET', JOB .. id, 'started_ms', 'past')
  -- A token without its holder tells which attempt it was, and when it was taken.
  local line = table.concat({string.match(token or '', '^[^:]*'), known[1] or '', string.format('%d', now), what, worker,
    (string.gsub(string.sub(reason, 1, PAST_CHARS), '%c', ' '))}, '\t')
  local past = (known[2] and known[2] .. '\n' or '') .. line
  local _, count = string.gsub(past, '\n', '\n')
  while count >= PAST_ATTEMPTS do
    past, count = string.gsub(past, '^[^\n]*\n', '', 1), count - 1
  end
  redis.call('HSET', JOB .. id, 'past', past)
end
