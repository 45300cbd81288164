"""The jobs that a worker holds, and its exchange with Redis about them.

agenda: what to tell, what to ask, what to take
alarm: wakes a loop after a short time
arrivals: taken jobs, until a thread may run them
bells: what wakes it while it waits
demand: how many jobs a worker wants
departures: ended jobs, until Redis knows of them
drain: the end of it
exchange: one round trip with Redis
held_jobs: the jobs it holds
lead: who waits for bells, the loop or a thread
outbox: what Redis has not heard yet
payloads: inputs beside its messages
queue_holds: queues that it leaves alone
recycling: when a worker has done enough
session: all of it, as Celery's side sees it
slots: how many jobs it may hold
steps: the commands of an exchange
take_order: in which order it empties queues
tally: what a worker counts itself, and its wrapper
traces: what is told of traced jobs
"""
