"""From jobs that wait to calls of the wrapper.

batcher: the inference threads
call_clock: when the jobs of the next call are looked for
jobs: a job on its way through the threads
suspicion: whether failed calls are their process' fault
waiting_line: jobs that were not started yet
"""
