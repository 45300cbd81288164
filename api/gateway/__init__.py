"""Jobs on their way into the queue and back.

access_log: a line for each request
answered_jobs: jobs that nobody asks for any more
call: one caller's request, from its arrival to its answer
canaries: examples that are sent through the queue at intervals
errand: a job on its way into Redis and back
gate: where every request can be refused or counted
gateway: what views need
http_tally: HTTP requests that were answered
job_client: jobs on their way into Redis and back
observer: what a gateway knows of the fleet and of Redis
process_figures: processor time and memory of this process
self_report: what this gateway tells of itself
submissions: jobs that travel together
submitter: from an envelope to a job
throughput: jobs that end in a second
tracing: requests that are traced
waiters: callers that wait
caller: how a caller waits
"""
