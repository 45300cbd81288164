"""Redis: its address, its keys, its scripts, and what they do with jobs.

address: URLs of Redis
books: what is kept beside jobs: counts, traces, what was done
celery_address: the address as Celery's tools spell it
checks: whether a Redis can be used
connections: how connections are made
credentials: applications and their keys
fencing: workers that live or have died
keys: the names of all keys
lease: what workers do with jobs
link: a connection for programs that wait for each answer
lookups: host names that no name server answers for
lua: the scripts
lua_constants: constants, written where scripts use them
scripts: how scripts are sent
submission: what gateways do with jobs
verdicts: what becomes of a job on its way into a queue
"""
