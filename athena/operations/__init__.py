"""What callers and operators do with jobs, queues and workers: generators of commands.

jobs: show, cancel, retry; dead letters
listing: lists of jobs, page by page
queues: queues, workers, hosts
steps: what a generator of commands is
"""
