"""Prints where the Valkey is that Athena brings along."""

from athena.supervisor.redis_server import find_server

print(find_server().path)
