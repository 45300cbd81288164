-- A gateway has no caller any more that waits for a job. Nobody left, and a job that only its caller could find: cancel.
--
-- ARGV  1 job id   2 gateway
-- Returns 1 when the job was canceled

admit_writes()
local id, gateway = ARGV[1], ARGV[2]
local key = JOB .. id
local known = redis.call('HMGET', key, 'state', 'gateways', 'abandonable', 'token')
if not known[1] or FINAL[known[1]] then
  return 0
end
local left = {}
for waiting in string.gmatch(known[2] or '', '[^,]+') do
  if waiting ~= gateway then
    left[#left + 1] = waiting
  end
end
redis.call('HSET', key, 'gateways', table.concat(left, ','))
if #left > 0 or not known[3] then
  return 0
end
cancel(id, known[4], 'canceled: the caller did not wait for it')
close_books()
return 1
