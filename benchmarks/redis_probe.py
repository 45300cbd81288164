"""What Redis itself takes: bare round trips beside a measurement, and the memory of what is queued."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import redis

from athena.operations.queues import pause_queues
from athena.operations.steps import run_steps
from athena.store.address import socket_path
from athena.store.link import BlockingLink
from benchmarks.contestants import Contestant, celery_peer, contestant, post
from benchmarks.figures import percentile
from benchmarks.results import round_off
from benchmarks.tasks import PICTURE_BYTES, Task, picture_task

PROBE_S = 1.0
QUEUED = 20
SHRINK_S = 3.0
PAUSE_TIMEOUT_S = 10


def round_trips(client: "redis.Redis", seconds: float = PROBE_S) -> list[float]:
    """Returns how long two bare round trips took, over and over, in milliseconds."""
    taken: list[float] = []
    ends_s = time.perf_counter() + seconds
    while (began_s := time.perf_counter()) < ends_s:
        client.ping()
        client.ping()
        taken.append((time.perf_counter() - began_s) * 1000)
    return taken


def redis_floor(one: Contestant, clients: int) -> Mapping[str, float]:
    """Returns the floor that Athena's single client is measured against, right after that client."""
    if not one.is_athena or clients != 1:
        return {}
    with _connected(one) as client:
        return round_off({"redis_2_trips_p50_ms": percentile(round_trips(client), 50)})


def queued_picture() -> dict[str, float]:
    """Returns how many bytes Redis needs for a byte of a queued picture."""
    task = picture_task()
    with contestant("athena", task) as one, _connected(one) as client:
        _pause(one, task, True)
        athena = _growth(one, client, {"Prefer": "respond-async"})
        _pause(one, task, False)
    with celery_peer(task, has_worker=False) as one, _connected(one) as client:
        celery = _growth(one, client, {"Prefer": "respond-async"})
    return round_off({"athena": athena, "celery": celery})


def _growth(one: Contestant, client: "redis.Redis", headers: Mapping[str, str]) -> float:
    post(one.url, one.request, headers)
    before = _used(client)
    for _ in range(QUEUED):
        post(one.url, one.request, headers)
    return (_used(client) - before) / QUEUED / PICTURE_BYTES


def _used(client: "redis.Redis") -> int:
    # Buffers of connections that carried a picture are given back within seconds.
    time.sleep(SHRINK_S)
    info: Any = client.info("memory")
    return int(info["used_memory"])


def _pause(one: Contestant, task: Task, is_paused: bool) -> None:
    assert one.data_dir is not None
    with closing(BlockingLink(f"unix://{socket_path(one.data_dir)}", PAUSE_TIMEOUT_S)) as link:
        run_steps(pause_queues([task.service], is_paused), link.execute)


@contextmanager
def _connected(one: Contestant) -> Iterator["redis.Redis"]:
    assert one.data_dir is not None
    with closing(redis.Redis(unix_socket_path=str(socket_path(one.data_dir)))) as client:
        yield client
