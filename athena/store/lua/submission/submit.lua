-- Accepts jobs: record, message and bell in one step; or re-attaches to the job that has the same request_id.
--
-- KEYS  per job: queue; request_id key, '' without one
-- ARGV  per job: 1 id   2 message   3 jobs the queue may hold   4 gateway that waits, ''   5 hash of the request's body
--       6 '1' if the inputs lie in the payload key   7 milliseconds the job may queue   8 app_id   9 service_id
--       10 bytes of message and inputs   11 bytes that all open jobs of the ability may have   12 '1' if only its
--       caller can find it   13 how many fields of the record and values follow   14 its quotas
--       (athena/access/quotas.py), '' without any
-- Returns per job 'accepted', with WHOSE BURST RATE LEFT where requests are counted | 'attached ID STATE' | 'conflict ID' | 'full JOBS' with the jobs in the queue | 'heavy
-- BYTES' with those of open jobs | 'payload_lost' | 'quota WHOSE WHAT LIMIT MILLISECONDS' | 'failed TEXT'

local at, answers = 1, {}
for i = 1, #KEYS, 2 do
  answers[#answers + 1] = try_submit(at, KEYS[i], KEYS[i + 1], true)
  at = at + FIXED + ARGV[at + 12]
end
close_admission()
return answers
