-- Names of the keys in athena/store/submission.py's table.
local JOB, RESULT, PAYLOAD, MESSAGE = 'athena:job:', 'athena:result:', 'athena:payload:', 'athena:message:'
local INFLIGHT, CANCELED = 'athena:inflight:', 'athena:canceled:'
local BELL, REPLY, LINE = 'athena:bell:', 'athena:reply:', 'athena:line:'
local OPEN, ENDED, LOAD, KEPT, DEAD = 'athena:open:', 'athena:ended:', 'athena:load:', 'athena:kept:', 'athena:dead'
local ACCOUNTS, ACCOUNT, USAGE = 'athena:accounts', 'athena:account:', 'athena:usage:'
local QUEUES, TRAIL = 'athena:queues:', 'athena:trail'
local COUNTS, TALLY, FENCED = 'athena:counts:', 'athena:tally:', 'athena:fenced:'
local APP_OPEN, APP_ENDED = 'athena:app_open:', 'athena:app_ended:'
local LATER, HISTORY = 'athena:later:', 'athena:history:'
local WORKERS, BEATS, GATEWAYS = 'athena:workers', 'athena:beats', 'athena:gateways'

local FINAL = {succeeded = true, failed = true, canceled = true, expired = true, timed_out = true, poisoned = true}

-- A full Redis refuses a script whose first write needs memory. This one needs none, so what follows may.
local function admit_writes()
  redis.call('UNLINK', 'athena:none')
end

-- The lane of a queue.
local function lane_of(queue)
  return string.match(queue, '%.(high)$') or string.match(queue, '%.(low)$') or 'normal'
end

-- The incarnation in a token.
local function holder(token)
  return string.match(token or '', ':(.*)$')
end
