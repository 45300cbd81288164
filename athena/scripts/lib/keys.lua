-- Names of the keys in athena/store.py's table.
local JOB, RESULT, PAYLOAD = 'athena:job:', 'athena:result:', 'athena:payload:'
local INFLIGHT, BELL, REPLY = 'athena:inflight:', 'athena:bell:', 'athena:reply:'
local WORKERS, BEATS = 'athena:workers', 'athena:beats'

local FINAL = {succeeded = true, failed = true, canceled = true, expired = true, timed_out = true}

-- A full Redis refuses a script whose first write needs memory. This one needs none, so what follows may.
local function admit_writes()
  redis.call('UNLINK', 'athena:none')
end
