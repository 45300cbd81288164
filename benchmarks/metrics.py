"""`python -m benchmarks.metrics`: what counting costs Redis, and what a scrape of a large fleet costs.

`--against REVISION` compares the scripts with those of another revision, in one Redis, in turns: processor
time of Redis for a job that is accepted, taken and finished.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from api.gateway.gateway import Gateway
from api.views.metrics import Metrics
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import encode_message
from athena.jobs.message import make_message
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue
from athena.protocol.interface import Interface, Limits
from athena.settings import from_env
from athena.store import keys
from athena.store.lease import Draw, ForeignLimits, finish_command, take_command, taken_jobs
from athena.store.scripts import FINISH, SCRIPTS, SUBMIT, TAKE, Command, Script
from athena.store.submission import Submission, submit_command
from athena.supervisor.redis_server import find_server

ABILITIES, WORKERS = 200, 50
JOBS, ROUNDS = 2000, 10

FOREIGN = ForeignLimits(3600, 86400, 600)

_DUMP = (
    "import json; from athena.store.scripts import SCRIPTS; "
    "print(json.dumps({script.name: script.source for script in SCRIPTS}))"
)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--against", metavar="REVISION", help="compare the scripts with those of this revision"
    )
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs in a turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each")
    options = parser.parse_args()
    with _redis_server() as client:
        if options.against:
            _compare(client, options.against, options.jobs, options.rounds)
        client.flushall()
        _scrape(client, options.rounds)
    return 0


@contextmanager
def _redis_server() -> Iterator["redis.Redis"]:
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        path = f"{folder}/redis.sock"
        # The append-only file as the embedded one has it: what is written there is part of the cost.
        options = ("--port", "0", "--unixsocket", path, "--dir", folder, "--save", "", "--appendonly", "yes")
        command = [str(find_server().path), *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            client = redis.Redis(unix_socket_path=path)
            try:
                _wait_for(client)
                yield client
            finally:
                server.terminate()


def _wait_for(client: "redis.Redis") -> None:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            client.ping()
            return
        except redis.RedisError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)


def _compare(client: "redis.Redis", revision: str, jobs: int, rounds: int) -> None:
    """Prints what both revisions' scripts take of Redis, and the ratio of each pair of turns."""
    mine = {script.name: script.source for script in SCRIPTS}
    turns = {"before": _Turn(client, _sources_of(revision)), "now": _Turn(client, mine)}
    for turn in turns.values():
        turn.run(jobs)
    for batch in (1, 8):
        taken: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(rounds):
            for name, turn in turns.items():
                taken[name].append(turn.run(jobs, batch))
        ratios = [now / before for before, now in zip(taken["before"], taken["now"], strict=True)]
        shown = ", ".join(f"{name} {statistics.median(us):.1f}" for name, us in taken.items())
        print(
            f"Redis, {batch} at once: us of CPU for a job: {shown}; "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        )


def _sources_of(revision: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        archive = subprocess.run(["git", "archive", revision, "athena"], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        command = [sys.executable, "-c", _DUMP]
        dumped = subprocess.run(command, check=True, capture_output=True, cwd=folder)
        sources: dict[str, str] = json.loads(dumped.stdout)
        return sources


class _Turn:
    """Runs jobs with one revision's scripts."""

    def __init__(self, client: Any, sources: dict[str, str]) -> None:
        self._client = client
        names: tuple[Script, ...] = (SUBMIT, TAKE, FINISH)
        self._shas = {script.sha: client.script_load(sources[script.name]) for script in names}
        self._number = 0

    def run(self, jobs: int, batch: int = 1) -> float:
        """Returns the processor time of Redis for a job, in microseconds."""
        self._client.flushdb()
        entry = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
        self._client.hset(keys.WORKERS, "w1", entry.encode())
        before_s = self._cpu_s()
        for _ in range(jobs // batch):
            self._one(batch)
        return (self._cpu_s() - before_s) * 1e6 / (jobs // batch * batch)

    def _one(self, batch: int) -> None:
        self._number += 1
        self._run(submit_command([_submission(f"{self._number}-{item}") for item in range(batch)]))
        draws = [Draw("echo.cpu"), Draw("echo.any")]
        taken = taken_jobs(self._run(take_command("w1", draws, batch, FOREIGN, self._number))) or []
        good = Outcome(JobState.SUCCEEDED, b'{"text":1}', exec_ms=0.21, batch_size=1)
        ended = [(job.job_id, job.token, good) for job in taken]
        self._run(finish_command("w1", "cpu", "echo.cpu.0@host", ended))

    def _run(self, command: Command) -> Any:
        name, sha, *rest = command
        return self._client.execute_command(name, self._shas[str(sha)], *rest)

    def _cpu_s(self) -> float:
        return _redis_cpu_s(self._client)


def _submission(job_id: str) -> Submission:
    item = InputValue("text", 0, 3, "aGk=", b"hi", {})
    content, _ = make_message(job_id, "echo", {}, [item], {}, 1000)
    message = encode_message(content, "echo.any")
    return Submission(
        job_id=job_id,
        service_id="echo",
        queue="echo.any",
        message=message,
        app_id="app",
        request_id="",
        body_hash="",
        gateway="gateway",
        abandonable=True,
        claim=False,
        bytes=len(message),
        max_queue_jobs=10_000,
        max_open_bytes=2**30,
        max_queue_s=600,
        result_ttl_s=3600,
        record_ttl_s=86400,
    )


def _scrape(client: "redis.Redis", rounds: int) -> None:
    """Prints what one scrape of a large fleet takes."""
    _fill(client)
    print(json.dumps(asyncio.run(_scrapes(client, rounds))))


def _fill(client: "redis.Redis") -> None:
    for number in range(ABILITIES):
        service_id = f"ability-{number}"
        interface = Interface(service_id, "v1", "", (), (), (), ("cpu", "T4G16"), True, Limits())
        client.hset(keys.ABILITIES, service_id, interface.encode())
        _fill_counts(client, service_id)
        for target in ("cpu", "any"):
            client.sadd(keys.queues_key(service_id), f"{service_id}.{target}")
    for number in range(WORKERS):
        incarnation, service_id = uuid.uuid4().hex, f"ability-{number}"
        entry = WorkerEntry(incarnation, f"{service_id}.cpu.0@host", service_id, "v1", "cpu", 4)
        client.hset(keys.WORKERS, incarnation, entry.encode())
        client.hset(keys.BEATS, incarnation, "1")


def _fill_counts(client: "redis.Redis", service_id: str) -> None:
    counts: dict[str, int] = {"in normal": 5000, "in high": 7, "refused queue_full": 3, "loaded_ms cpu": 900}
    counts |= {f"end {state} cpu": 900 for state in ("succeeded", "failed", "timed_out")}
    counts |= {f"end {state} ": 9 for state in ("canceled", "expired")}
    counts |= {f"exit {cause} cpu": 2 for cause in ("stopped", "crashed", "recycled")}
    for what in ("run", "wait", "total"):
        counts |= {f"{what} {limit} cpu": 100 for limit in (2, 5, 10, 25, 50, 100, 250, 500)}
        counts[f"{what}_sum cpu"] = 123_456
    counts |= {f"batch {size} cpu": 64 for size in (1, 2, 4, 8)}
    client.hset(keys.counts_key(service_id), mapping=counts)  # type: ignore[arg-type]


async def _scrapes(client: "redis.Redis", rounds: int) -> dict[str, float]:
    path = client.connection_pool.connection_kwargs["path"]
    gateway = Gateway(from_env({"ATHENA_REDIS_URL": f"unix://{path}"}))
    await gateway.start()
    try:
        view = Metrics(gateway)
        size = len((await view.show()).get_data())
        redis_s, own_s, longest_s = [], [], []
        for _ in range(rounds):
            before_s, cpu_s = _redis_cpu_s(client), time.process_time()
            turns = asyncio.create_task(_longest_turn())
            await view.show()
            own_s.append(time.process_time() - cpu_s)
            turns.cancel()
            longest_s.append(_LONGEST[0])
            redis_s.append(_redis_cpu_s(client) - before_s)
    finally:
        await gateway.close()
    return {
        "abilities": ABILITIES,
        "workers": WORKERS,
        "bytes": size,
        "gateway_cpu_ms": round(statistics.median(own_s) * 1000, 1),
        "gateway_longest_turn_ms": round(statistics.median(longest_s) * 1000, 1),
        "redis_cpu_ms": round(statistics.median(redis_s) * 1000, 2),
    }


_LONGEST = [0.0]


async def _longest_turn() -> None:
    """Measures for how long the loop served nobody else."""
    _LONGEST[0], last_s = 0.0, time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now_s = time.perf_counter()
        _LONGEST[0], last_s = max(_LONGEST[0], now_s - last_s), now_s


def _redis_cpu_s(client: "redis.Redis") -> float:
    found: dict[str, float] = client.info("cpu")
    return found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"]


if __name__ == "__main__":
    sys.exit(main())
