"""The jobs that a worker holds, and its exchange with Redis about them.

agenda: what to tell, what to ask, what to take
alarm: wakes a loop after a short time
arrivals: taken jobs, until a thread may run them
bells: what wakes it while it waits
departures: ended jobs, until Redis knows of them
drain: the end of it
exchange: one round trip with Redis
held_jobs: the jobs it holds
lead: who waits for bells, the loop or a thread
outbox: what Redis has not heard yet
payloads: inputs beside its messages
recycling: when a worker has done enough
selection: which jobs it takes: how many, of which queues
session: all of it, as Celery's side sees it
steps: the commands of an exchange
tally: what a worker counts itself, and its wrapper
traces: what is told of traced jobs
"""
