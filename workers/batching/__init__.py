"""From jobs that wait to calls of the wrapper.

batcher: the inference threads
batches: which jobs share a call
call_clock: when the jobs of the next call are looked for
ended_jobs: jobs on their way out
job_trace: when a traced job came, began and ended
jobs: a job on its way through the threads
model: what the threads run
outcomes: how jobs ended that came to nothing
preparation: the next call's inputs, before it
soundness: whether this process can still run jobs
suspicion: whether failed calls are their process' fault
waiting_line: jobs that were not started yet
"""
