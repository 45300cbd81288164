"""What is known of the fleet, as samples of the metrics' table.

apps: what applications use
gpus: how GPUs are
jobs: what became of jobs, how long it took
queues: what waits, and for how many slots
workers: who serves, who should
"""
