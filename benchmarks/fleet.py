"""How a mixed fleet of 16 GPUs is kept busy: `python -m benchmarks.fleet`.

The whole stack on one machine. The GPUs are those of a stand-in for NVIDIA's library (`tests/nvml`); the
model (`tests/abilities/gpu_model`) sleeps for a known time and writes down when it ran, where and for whom.
Each round fills the queues of all types and `any` while they are paused, lets them go, and asks for
high jobs while the backlog is worked off. What counts is the time in which a type's queue or `any` held jobs.
"""

import argparse
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis

from athena.operations.queues import pause_queues
from athena.operations.steps import run_steps
from athena.store.address import socket_path
from athena.store.keys import open_key
from athena.store.link import BlockingLink
from benchmarks.harness import ROOT, Served, median_of, served
from tests import nvml

ABILITY = ROOT / "tests" / "abilities" / "gpu_model"
FLEET = {"T4G16": 8, "A100G80": 4, "H200G141": 4}
ANY = "any"
BATCH = 8
BATCH_MS = 200

#: Calls take up to this share more or less: without it, GPUs that were let go at once would end their calls
#: at once for ever, which no fleet does.
JITTER = 0.1


#: How long after the start of a round no high requests are sent: until the GPUs are out of step.
SETTLE_S = 2.0


@dataclass
class Call:
    """One call of the model; times are seconds of the monotonic clock."""

    begin_s: float
    end_s: float
    gpu_type: str
    tags: Sequence[str]


@dataclass
class Round:
    """What a round showed; times in milliseconds."""

    jobs: int = 0
    wrong_type: int = 0
    utilization: dict[str, float] = field(default_factory=dict)
    gap_p50_ms: float = 0.0
    gap_p99_ms: float = 0.0
    high_wait_p50_ms: float = 0.0
    high_wait_p99_ms: float = 0.0
    high_wait_max_ms: float = 0.0


class Load:
    """Sends requests over kept-alive connections."""

    def __init__(self, url: str) -> None:
        self._address = url.removeprefix("http://")

    def fill(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Queues jobs, each a tag and a type."""
        parts = [wanted[index::4] for index in range(4)]
        threads = [threading.Thread(target=self._fill_part, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask(self, tag: str, gpu_type: str) -> float:
        """Sends a request of the high lane; returns when it was queued, on the monotonic clock."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        answer = _send(connection, tag, gpu_type, "high", {})
        connection.request("GET", f"/v1/jobs/{answer['header']['sid']}")
        job = json.loads(connection.getresponse().read())["job"]
        connection.close()
        return float(job["queued_ms"]) / 1000 - time.time() + time.monotonic()

    def _fill_part(self, part: Sequence[tuple[str, str]]) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        for tag, gpu_type in part:
            _send(connection, tag, gpu_type, "normal", {"Prefer": "respond-async"})
        connection.close()


def _send(
    connection: http.client.HTTPConnection, tag: str, gpu_type: str, lane: str, headers: dict[str, str]
) -> Any:
    body = {
        "header": {"app_id": "bench", "status": 3, "priority": lane},
        "parameter": {"gpu_model": {"tag": tag, "gpu_type": gpu_type}},
        "payload": {"text": {"text": "aGk="}},
    }
    headers = {"Content-Type": "application/json", **headers}
    connection.request("POST", "/gpu_model", json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (200, 202):
        raise SystemExit(f"refused: {text!r}")
    return json.loads(text)


#: How long Redis may take to answer.
REDIS_TIMEOUT_S = 10


class Queues:
    """The queues, seen in Redis."""

    def __init__(self, data_dir: Path) -> None:
        path = socket_path(data_dir)
        self._redis = redis.Redis(unix_socket_path=str(path))
        self._link = BlockingLink(f"unix://{path}", REDIS_TIMEOUT_S)

    def pause(self, is_paused: bool) -> None:
        """Pauses all queues, or lets them go."""
        run_steps(pause_queues(["gpu_model"], is_paused), self._link.execute)

    def open_jobs(self) -> int:
        """Returns how many jobs have not ended."""
        return int(self._link.execute(("ZCARD", open_key("gpu_model"))))

    def lengths(self) -> dict[str, int]:
        """Returns how many jobs wait for each type, and for any."""
        names = [*FLEET, ANY]
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.llen(f"gpu_model.{name}")
            return dict(zip(names, pipeline.execute(), strict=True))


def run_round(athena: Served, log: Path, seconds: float) -> Round:
    """Works off one backlog."""
    load, queues = Load(athena.url), Queues(athena.data_dir)
    wanted = backlog(seconds)
    queues.pause(True)
    load.fill(wanted)
    marks = {path: path.stat().st_size for path in log.glob("*.jsonl")}
    busy_until_s: dict[str, float] = {}
    queued_s: dict[str, float] = {}
    askers: list[threading.Thread] = []
    began_s = time.monotonic()
    queues.pause(False)
    while any((waiting := queues.lengths()).values()):
        now_s = time.monotonic()
        for gpu_type in FLEET:
            if waiting[gpu_type] or waiting[ANY]:
                busy_until_s[gpu_type] = now_s
        is_even = now_s - began_s > SETTLE_S
        if is_even and all(waiting[gpu_type] > BATCH * count for gpu_type, count in FLEET.items()):
            askers.append(_ask_one(load, len(askers), queued_s))
        time.sleep(0.05)
    for asker in askers:
        asker.join()
    while queues.open_jobs():
        time.sleep(0.05)
    calls = list(read_calls(log, marks))
    return judge(calls, wanted, began_s, busy_until_s, queued_s)


def backlog(seconds: float) -> list[tuple[str, str]]:
    """Returns jobs for so many seconds of all GPUs: each type's own for 4 of 5, the rest for any."""
    jobs: list[tuple[str, str]] = []
    for gpu_type, count in FLEET.items():
        own = int(count * BATCH * seconds * 0.8 / (BATCH_MS / 1000))
        jobs += [(f"{gpu_type}/{index}", gpu_type) for index in range(own)]
    shared = int(sum(FLEET.values()) * BATCH * seconds * 0.2 / (BATCH_MS / 1000))
    jobs += [(f"{ANY}/{index}", ANY) for index in range(shared)]
    random.shuffle(jobs)
    return jobs


def _ask_one(load: Load, number: int, queued_s: dict[str, float]) -> threading.Thread:
    gpu_type = random.choice([*FLEET, ANY])
    tag = f"{gpu_type}/high{number}"

    def ask() -> None:
        queued_s[tag] = load.ask(tag, gpu_type)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def read_calls(log: Path, marks: dict[Path, int]) -> Iterator[tuple[Path, Call]]:
    """Returns the calls that were written since the marks, by process."""
    for path in log.glob("*.jsonl"):
        with path.open() as file:
            file.seek(marks.get(path, 0))
            for line in file:
                run: dict[str, Any] = json.loads(line)
                call = Call(run["begin_ns"] / 1e9, run["end_ns"] / 1e9, run["gpu_type"], run["tags"])
                yield path, call


def judge(
    calls: Sequence[tuple[Path, Call]],
    wanted: Sequence[tuple[str, str]],
    began_s: float,
    busy_until_s: dict[str, float],
    queued_s: dict[str, float],
) -> Round:
    """Returns what the calls say about a round."""
    result = Round()
    starts = {tag: call.begin_s for _, call in calls for tag in call.tags}
    ran_on = {tag: call.gpu_type for _, call in calls for tag in call.tags}
    result.jobs = len(ran_on)
    lost = {tag for tag, _ in wanted} | queued_s.keys()
    lost -= ran_on.keys()
    if lost:
        raise SystemExit(f"{len(lost)} jobs did not run")
    result.wrong_type = sum(tag.partition("/")[0] not in (ANY, gpu_type) for tag, gpu_type in ran_on.items())
    gaps_ms: list[float] = []
    for gpu_type, count in FLEET.items():
        first_s, last_s = _window(calls, gpu_type, began_s, busy_until_s[gpu_type])
        busy_s = sum(
            max(0.0, min(call.end_s, last_s) - max(call.begin_s, first_s))
            for _, call in calls
            if call.gpu_type == gpu_type
        )
        result.utilization[gpu_type] = busy_s / (count * (last_s - first_s))
        gaps_ms += _gaps_ms(calls, gpu_type, last_s)
    waits_ms = [(starts[tag] - queued) * 1000 for tag, queued in queued_s.items()]
    result.gap_p50_ms, result.gap_p99_ms = percentile(gaps_ms, 50), percentile(gaps_ms, 99)
    result.high_wait_p50_ms, result.high_wait_p99_ms = percentile(waits_ms, 50), percentile(waits_ms, 99)
    result.high_wait_max_ms = max(waits_ms)
    return result


def _window(
    calls: Sequence[tuple[Path, Call]], gpu_type: str, began_s: float, busy_until_s: float
) -> tuple[float, float]:
    """Returns from when to when a type's workers had a backlog: from the first call on each of its GPUs."""
    first: dict[Path, float] = {}
    for path, call in calls:
        if call.gpu_type == gpu_type and call.begin_s >= began_s:
            first[path] = min(first.get(path, call.begin_s), call.begin_s)
    return max(first.values()), busy_until_s


def _gaps_ms(calls: Sequence[tuple[Path, Call]], gpu_type: str, last_s: float) -> Iterator[float]:
    """Returns how long each GPU of a type waited between a call's end and the next one's begin."""
    by_process: dict[Path, list[Call]] = {}
    for path, call in calls:
        if call.gpu_type == gpu_type and call.begin_s <= last_s:
            by_process.setdefault(path, []).append(call)
    for own in by_process.values():
        own.sort(key=lambda call: call.begin_s)
        for before, after in pairwise(own):
            yield (after.begin_s - before.end_s) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """Returns the value below which `share` percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


def main() -> None:
    """Measures and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="length of each round's backlog")
    parser.add_argument("--json", action="store_true", help="print the rounds as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="athena-fleet-") as folder:
        rounds = list(measure(Path(folder), options.rounds, options.seconds))
    print(json.dumps([item.__dict__ for item in rounds], indent=2) if options.json else table(rounds))


def measure(folder: Path, rounds: int, seconds: float) -> Iterator[Round]:
    """Runs the rounds on one stack."""
    log = folder / "log"
    log.mkdir()
    ability = folder / "gpu_model"
    ability.mkdir()
    (ability / "wrapper.py").write_text((ABILITY / "wrapper.py").read_text())
    options = (ABILITY / "ability.toml").read_text()
    types = ", ".join(f'"{gpu_type}"' for gpu_type in FLEET)
    options = options.replace('types = ["A100G80", "T4G16"]', f"types = [{types}]")
    options = options.replace("batch_ms = 20", f"batch_ms = {BATCH_MS}")
    (ability / "ability.toml").write_text(options.replace("jitter = 0.0", f"jitter = {JITTER}"))
    fleet = folder / "fleet"
    nvml.write_fleet(fleet, [*nvml.t4s(8), *nvml.a100s(4, 8), *nvml.h200s(4, 12)])
    environment = nvml.environment(nvml.build(folder / "library"), fleet)
    with served(ability, GPU_MODEL_LOG=str(log), **environment) as athena:
        for _ in range(rounds):
            yield run_round(athena, log, seconds)


def table(rounds: Sequence[Round]) -> str:
    """Returns the medians as text; of jobs on a wrong type, all."""
    lines = [
        f"16 GPUs, batches of {BATCH} jobs that take {BATCH_MS} ms (+- {JITTER:.0%}), "
        f"median of {len(rounds)} rounds",
        f"  jobs a round                    {median_of([item.jobs for item in rounds]):8.0f}",
        f"  jobs on a wrong type, all       {sum(item.wrong_type for item in rounds):8d}",
    ]
    for gpu_type in FLEET:
        share = median_of([item.utilization[gpu_type] for item in rounds])
        least = min(item.utilization[gpu_type] for item in rounds)
        lines.append(f"  utilisation {gpu_type:<10}          {share:8.1%}   least {least:.1%}")
    for name, text in (
        ("gap_p50_ms", "slot free to next start, p50"),
        ("gap_p99_ms", "slot free to next start, p99"),
        ("high_wait_p50_ms", "wait of high jobs, p50"),
        ("high_wait_p99_ms", "wait of high jobs, p99"),
        ("high_wait_max_ms", "wait of high jobs, longest"),
    ):
        values = [getattr(item, name) for item in rounds]
        lines.append(f"  {text:<31} {median_of(values):8.2f} ms   most {max(values):.2f} ms")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
