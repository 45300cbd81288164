"""A very long queue: what a job in it costs, and whether the others pay for it."""

import json
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import encode_message
from athena.jobs.message import make_message
from athena.jobs.queues import queue_name, queues_of_targets
from athena.protocol.envelope import InputValue
from athena.store.keys import WORKERS, open_key
from athena.store.lease import (
    Draw,
    ForeignLimits,
    give_back_command,
    take_command,
    taken_jobs,
)
from athena.store.link import BlockingLink
from athena.store.submission import Submission, submit_command
from benchmarks.harness import served
from benchmarks.scale.stack import BODY, GATE, script_us
from tests.chaos.redis_server import RedisServer

QUEUE = queue_name("gate", "cpu")
WORKER = WorkerEntry("bench", "gate.cpu.0@bench", "gate", "v1", "cpu", 64)
DRAWS = [Draw(queue) for queue in queues_of_targets("gate", ("cpu", "any"))]
FOREIGN = ForeignLimits(60, 60, 600)

#: Commands that leave in one write.
AT_ONCE = 500

PROBES = 5000
TAKEN_AT_ONCE = 64

#: Jobs in one request to POST /v1/jobs.
BULK = 1000


def measure(jobs: int, seconds: float) -> dict[str, object]:
    """Fills a queue, looks, and lets a worker and a gateway at it for a while."""
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as name:
        server = RedisServer(Path(name), appendfsync="everysec")
        server.start()
        try:
            return {"jobs": jobs, **_fill(server, jobs), **_drain(server, seconds)}
        finally:
            server.kill()


def _fill(server: RedisServer, jobs: int) -> dict[str, object]:
    link, client = BlockingLink(server.url, 60), server.client
    client.hset(WORKERS, WORKER.incarnation, WORKER.encode())
    _submit(link, PROBES)
    empty = _probe(link, client)
    empty_bytes, empty_jobs = _used_bytes(client), _open_jobs(client)
    redis_s, began_s = _redis_cpu_s(client), time.monotonic()
    _submit(link, jobs)
    took_s, redis_s = time.monotonic() - began_s, _redis_cpu_s(client) - redis_s
    used_bytes = _used_bytes(client)
    full = _probe(link, client)
    client.hdel(WORKERS, WORKER.incarnation)
    link.close()
    return {
        "submitted_per_s": jobs / took_s,
        "redis_us_per_submit": redis_s / jobs * 1e6,
        "redis_bytes_per_job": (used_bytes - empty_bytes) / jobs,
        "redis_mib": used_bytes / 2**20,
        f"script_us_at_{empty_jobs}_jobs": empty,
        f"script_us_at_{empty_jobs + jobs}_jobs": full,
    }


def _probe(link: BlockingLink, client: "redis.Redis") -> dict[str, float]:
    """Returns the processor time that Redis spends on a script, in microseconds."""
    taken: list[tuple[str, str]] = []

    def take(count: int) -> None:
        found = taken_jobs(link.run([take_command(WORKER.incarnation, DRAWS, count, FOREIGN, len(taken))])[0])
        taken.extend((job.job_id, job.token) for job in found or ())

    def take_all(count: int) -> None:
        for _ in range(PROBES // 2 // count):
            take(count)

    figures = {
        "submit": _script_us(client, lambda: _submit(link, PROBES)),
        "take_1": _script_us(client, lambda: take_all(1)),
        f"take_{TAKEN_AT_ONCE}": _script_us(client, lambda: take_all(TAKEN_AT_ONCE)),
    }
    link.run(
        [
            give_back_command(WORKER.incarnation, taken[first : first + 500])
            for first in range(0, len(taken), 500)
        ]
    )
    return figures


def _script_us(client: "redis.Redis", do: Callable[[], None]) -> float:
    client.config_resetstat()
    do()
    return script_us(client)[1]


def _submit(link: BlockingLink, jobs: int) -> None:
    for first in range(0, jobs, AT_ONCE):
        [verdicts] = link.run([submit_command(_jobs(min(AT_ONCE, jobs - first)))])
        if any(verdict != b"accepted" for verdict in verdicts):
            raise SystemExit(f"refused: {verdicts[0]}")


def _jobs(count: int) -> Iterator[Submission]:
    text = InputValue("text", 0, 3, "aGVsbG8=", b"hello", {"encoding": "utf8"})
    for _ in range(count):
        job_id = uuid.uuid4().hex
        message, _ = make_message(job_id, "gate", {}, [text], {}, 16384)
        raw = encode_message(message, QUEUE)
        yield Submission(
            job_id=job_id,
            service_id="gate",
            queue=QUEUE,
            message=raw,
            app_id="bench",
            request_id="",
            body_hash="",
            gateway="",
            abandonable=False,
            claim=False,
            bytes=len(raw),
            max_queue_jobs=10**8,
            max_open_bytes=10**12,
            max_queue_s=36000,
            result_ttl_s=3600,
            record_ttl_s=86400,
        )


def _drain(server: RedisServer, seconds: float) -> dict[str, object]:
    client = server.client
    with served(GATE, ATHENA_REDIS_URL=server.url) as athena:
        redis_s, before, began_s = _redis_cpu_s(client), _open_jobs(client), time.monotonic()
        time.sleep(seconds)
        drained, took_s = before - _open_jobs(client), time.monotonic() - began_s
        redis_s = _redis_cpu_s(client) - redis_s
        bulk_s = [_timed(lambda: _send_bulk(athena.url)) for _ in range(5)]
        list_s = _timed(lambda: _get(f"{athena.url}/v1/jobs?service_id=gate&state=queued"))
        call_s = _timed(lambda: _get(f"{athena.url}/metrics"))
        return {
            "drained_per_s": drained / took_s,
            "redis_us_per_take_and_finish": redis_s / drained * 1e6,
            "left": _open_jobs(client),
            "bulk_jobs_per_s_meanwhile": BULK * len(bulk_s) / sum(bulk_s),
            "list_ms_meanwhile": list_s * 1000,
            "metrics_ms_meanwhile": call_s * 1000,
        }


def _send_bulk(url: str) -> None:
    document = {"jobs": [{"service_id": "gate", **json.loads(BODY)}] * BULK}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/jobs", json.dumps(document).encode(), headers)
    answer = json.loads(urllib.request.urlopen(request, timeout=60).read())
    if answer["header"]["message"] != f"accepted {BULK} of {BULK}":
        raise SystemExit(f"refused: {answer['header']}")


def _get(url: str) -> bytes:
    return bytes(urllib.request.urlopen(url, timeout=60).read())


def _timed(do: Callable[[], object]) -> float:
    began_s = time.monotonic()
    do()
    return time.monotonic() - began_s


def _open_jobs(client: "redis.Redis") -> int:
    count: Any = client.zcard(open_key("gate"))
    return int(count)


def _redis_cpu_s(client: "redis.Redis") -> float:
    used: Any = client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _used_bytes(client: "redis.Redis") -> int:
    memory: Any = client.info("memory")
    return int(memory["used_memory"])
