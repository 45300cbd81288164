"""The jobs that a worker holds, and its exchange with Redis about them.

alarm: wakes a loop after a short time
demand: how many jobs a worker wants
exchange: ended jobs out, new jobs in
held_jobs: the jobs it holds
outbox: what Redis has not heard yet
payloads: inputs beside its messages
queue_holds: queues that it leaves alone
recycling: when a worker has done enough
slots: how many jobs it may hold
take_order: in which order it empties queues
"""
