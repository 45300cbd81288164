"""Redis: its address, its keys, its scripts, and what they do with jobs.

accounts: what metered applications have open
address: URLs of Redis
audit: the books compared with the records
celery_address: the address as Celery's tools spell it
checks: whether a Redis can be used
connections: how connections are made
counts: what is counted of jobs and workers
credentials: applications and their keys
fencing: workers that live or have died
keys: the names of all keys
lease: what workers do with jobs
link: a connection for programs that wait for each answer
lua: the scripts
lua_constants: constants, written where scripts use them
own_metrics: what wrappers count themselves
scripts: how scripts are sent
submission: what gateways do with jobs
traces: spans that are kept, and examples of times
trail: what operators have done
verdicts: what becomes of a job on its way into a queue
"""
