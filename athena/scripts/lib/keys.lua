-- Names of the keys in athena/store.py's table.
local JOB, RESULT, PAYLOAD = 'athena:job:', 'athena:result:', 'athena:payload:'
local INFLIGHT, BELL, REPLY = 'athena:inflight:', 'athena:bell:', 'athena:reply:'
local WORKERS, BEATS = 'athena:workers', 'athena:beats'

local FINAL = {succeeded = true, failed = true, canceled = true, expired = true, timed_out = true}
