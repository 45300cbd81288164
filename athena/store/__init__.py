"""Redis: its address, its keys, its scripts, and what they do with jobs.

address: URLs of Redis
checks: whether a Redis can be used
connections: how connections are made
keys: the names of all keys
link: a connection for programs that wait for each answer
lua: the scripts
scripts: how scripts are sent
submission: commands of gateways, workers and supervisors, and their answers
"""
