"""What is known of the fleet, as samples of the metrics' table.

apps: what applications use
gateways: how gateways are, how they have answered
gpus: how GPUs are
jobs: what became of jobs, how long it took
kept: what is counted of abilities, while it stays the same
own: what wrappers count themselves
queues: what waits, and for how many slots
redis: how Redis is
workers: who serves, who should
"""
