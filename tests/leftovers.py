"""What no test may leave in Redis: keys of jobs that have ended, and that nothing would ever remove."""

from collections.abc import Iterator
from typing import Any

import redis

from athena.protocol.enums import JobState

#: The keys of one job, without its id. Where it has ended they must have a TTL.
OF_JOBS = ("athena:job:", "athena:result:", "athena:message:", "athena:payload:")

OPEN_STATES = {str(state) for state in JobState if not state.is_final}


def leftovers(client: redis.Redis) -> list[str]:
    """Returns a sentence for each key that outlives its job; jobs that are still open may have any."""
    return sorted([*_keys_of_ended_jobs(client), *_lists_of_ended_jobs(client), *_bytes_without_jobs(client)])


def _keys_of_ended_jobs(client: Any) -> Iterator[str]:
    for prefix in OF_JOBS:
        for key in client.scan_iter(f"{prefix}*"):
            name = key.decode(errors="replace")
            if client.pttl(key) == -1 and not _is_open(client, name.removeprefix(prefix)):
                yield f"{name} has no TTL, and its job has ended"
    for key in client.scan_iter("athena:request:*"):
        ids = client.hvals(key)
        if client.pttl(key) == -1 and not any(_is_open(client, one.split(b" ")[0].decode()) for one in ids):
            yield f"{key.decode()} has no TTL, and its jobs have ended"


def _lists_of_ended_jobs(client: Any) -> Iterator[str]:
    for pattern in ("athena:open:*", "athena:app_open:*"):
        for key in client.scan_iter(pattern):
            for job_id in client.zrange(key, 0, -1):
                if not _is_open(client, job_id.decode()):
                    yield f"{key.decode()} holds {job_id.decode()}, which has ended"
    for key in client.scan_iter("athena:canceled:*"):
        held = key.replace(b"athena:canceled:", b"athena:inflight:")
        for job_id in client.smembers(key):
            if not client.hexists(held, job_id):
                yield f"{key.decode()} holds {job_id.decode()}, which its worker has let go of"


def _bytes_without_jobs(client: Any) -> Iterator[str]:
    for key in client.scan_iter("athena:load:*"):
        service = key.decode().removeprefix("athena:load:")
        left = int(client.hget(key, "bytes") or 0)
        if left and not client.exists(f"athena:open:{service}"):
            yield f"{key.decode()} counts {left} bytes of open jobs, and none is open"


def _is_open(client: Any, job_id: str) -> bool:
    state = client.hget(f"athena:job:{job_id}", "state")
    return state is not None and state.decode() in OPEN_STATES
