"""Counters against the truth: what callers were told and what records say, over deaths of all kinds."""

import contextlib
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from athena.fleet.launch import VARIABLE
from tests.e2e.conftest import (
    ATHENA,
    ECHO,
    FAULTY,
    Stack,
    faulty_request,
    serving,
    tool_environment,
    wait_until,
)

pytestmark = pytest.mark.e2e

#: How long gateways and workers may take to come back, on a busy machine.
BACK_S = 120.0

CALLERS, CALLS = 4, 25


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with serving(tmp_path_factory.mktemp("metrics"), FAULTY, ECHO) as running:
        yield running


def scrape(stack: Stack) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Returns name -> labels and values, as the reference library reads them."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(stack.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def sums(stack: Stack, metric: str, label: str, service_id: str = "faulty") -> Counter[str]:
    """Returns the values of an ability's metric, added up by one of its labels."""
    found: Counter[str] = Counter()
    for labels, value in scrape(stack).get(metric, []):
        if labels["service_id"] == service_id:
            found[labels[label]] += int(value)
    return found


def operate(stack: Stack, *words: str) -> None:
    subprocess.run([*ATHENA, *words], check=True, capture_output=True, env=tool_environment(stack))


class Callers:
    """Send jobs with names of their own, and send again what was not answered."""

    def __init__(self, stack: Stack) -> None:
        self.job_ids: dict[str, str] = {}
        self._stack = stack
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]

    def run(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def send(self, name: str, **params: Any) -> str:
        """Queues a job, however often it takes, and returns its id."""
        header = params.pop("header", {})
        request = faulty_request(**params)
        request["header"] |= {"request_id": name, **header}

        def accepted() -> str | None:
            try:
                answer = self._stack.post("/faulty", request, headers={"Prefer": "respond-async"}, timeout=20)
            except requests.RequestException:
                return None
            if answer.status_code in (202, 200):
                job_id: str = (answer.json().get("job") or {"id": answer.json()["header"]["sid"]})["id"]
                return job_id
            return None

        job_id: str = wait_until(accepted, BACK_S, f"{name} is accepted")
        self.job_ids[name] = job_id
        return job_id

    def _call(self, caller: int) -> None:
        for call in range(CALLS):
            self.send(f"job-{caller}-{call}", mode="raise" if call % 5 == 4 else "", seconds=0.05)

    def final_states(self) -> Counter[str]:
        """Waits for the end of all jobs, and returns how they ended."""
        return Counter(self._final_state(job_id) for job_id in self.job_ids.values())

    def _final_state(self, job_id: str) -> str:
        def final() -> str | None:
            state: str = self._stack.job(job_id, wait_s=1)["state"]
            return state if state not in ("queued", "running") else None

        state: str = wait_until(final, BACK_S, f"{job_id} ends")
        return state


def kill(process: psutil.Process) -> None:
    process.kill()
    process.wait(30)


def kill_worker(stack: Stack) -> None:
    """Kills the worker, and waits until another one serves."""

    def serves() -> bool:
        found = [one for one in stack.get("/v1/workers").json()["workers"] if one["service_id"] == "faulty"]
        # For a moment there may be two, the dead one and the next, or none that is told of.
        return [one["state"] for one in found] == ["serving"]

    def pid() -> psutil.Process | None:
        for child in stack.children("workers"):
            with contextlib.suppress(psutil.Error):
                if '"service_id":"faulty"' in child.environ().get(VARIABLE, ""):
                    return child
        return None

    # Registered, and seen to serve: of one that has just died its host may tell so a little longer.
    victim = wait_until(lambda: pid() if serves() else None, BACK_S, "a worker")
    kill(victim)
    wait_until(lambda: (pid() or victim) != victim and serves(), BACK_S, "a new worker")


def kill_gateway(stack: Stack) -> None:
    """Kills the gateway, and waits until another one answers."""
    kill(stack.child("api"))

    def answers() -> bool:
        try:
            return stack.get("/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    wait_until(answers, BACK_S, "a new gateway")


def test_jobs_are_counted_exactly_whatever_dies(stack: Stack) -> None:
    callers = Callers(stack)
    callers.run()
    kill_worker(stack)
    kill_gateway(stack)
    kill_worker(stack)
    callers.join()
    # One of each other kind; the wrapper lets its process die three times.
    callers.send("poison", mode="os_exit")
    callers.send("overrun", seconds=60)
    wait_until(lambda: not callers_are_busy(stack), BACK_S, "all have ended")
    operate(stack, "queues", "pause", "faulty")
    callers.send("expires", header={"max_queue_s": 1})
    canceled = callers.send("canceled")
    stack.post(f"/v1/jobs/{canceled}/cancel", {})
    callers._final_state(callers.job_ids["expires"])
    operate(stack, "queues", "resume", "faulty")

    truth = callers.final_states()

    assert truth.keys() == {"succeeded", "failed", "poisoned", "timed_out", "expired", "canceled"}
    assert sums(stack, "athena_jobs_finished_total", "outcome") == truth
    assert sums(stack, "athena_jobs_submitted_total", "lane") == {
        "normal": len(set(callers.job_ids.values()))
    }
    ran = truth["succeeded"] + truth["failed"]
    assert sums(stack, "athena_job_run_seconds_count", "gpu_type") == {"cpu": ran}
    assert sums(stack, "athena_job_queue_wait_seconds_count", "gpu_type") == {"cpu": ran}
    assert sum(sums(stack, "athena_job_total_seconds_count", "gpu_type").values()) == sum(truth.values())
    attempts = sums(stack, "athena_job_attempts_total", "result")
    assert attempts["ended"] == ran
    assert attempts["overran"] == 1
    assert attempts["died"] >= 3
    exits = sums(stack, "athena_worker_exits_total", "cause")
    # A process may have been killed in the moment before it was seen to serve.
    assert exits["crashed"] + exits["start_failed"] == 2 + 3
    assert exits["overran"] == 1


def callers_are_busy(stack: Stack) -> bool:
    # One that its worker's death has put back is queued for a moment.
    states = ("queued", "running")
    return any(stack.get(f"/v1/jobs?state={state}").json()["jobs"] for state in states)


def test_rejected_jobs_are_counted_by_reason(stack: Stack) -> None:
    before = sums(stack, "athena_jobs_rejected_total", "reason")
    operate(stack, "queues", "pause", "faulty")
    try:
        answers = [
            stack.post("/faulty", faulty_request(), headers={"Prefer": "respond-async"}).status_code
            for _ in range(23)
        ]
    finally:
        operate(stack, "queues", "purge", "faulty")
        operate(stack, "queues", "resume", "faulty")

    # limits.max_queue_jobs
    assert Counter(answers) == {202: 20, 429: 3}
    assert sums(stack, "athena_jobs_rejected_total", "reason") - before == {"queue_full": 3}


def test_http_requests_are_counted_by_ability_and_status(stack: Stack) -> None:
    before = sums(stack, "athena_http_requests_total", "status")
    of_none = sums(stack, "athena_http_requests_total", "status", "")
    timed = sums(stack, "athena_http_request_seconds_count", "service_id")
    for mode in ("", "", "raise", "code"):
        stack.post("/faulty", faulty_request(mode=mode))
    stack.post("/faulty", {"header": {}})
    stack.post("/faulty", faulty_request(), headers={"Prefer": "wait=5"})
    for _ in range(7):
        assert stack.get("/v1/no-such-thing").status_code == 404

    def counted() -> Counter[str]:
        return sums(stack, "athena_http_requests_total", "status") - before

    def missed() -> Counter[str]:
        return sums(stack, "athena_http_requests_total", "status", "") - of_none

    # It tells once a second, so a part of them may be told of before the rest.
    wait_until(lambda: sum(counted().values()) >= 6, 30, "the gateway has told of them")
    wait_until(lambda: missed()["404"] >= 7, 30, "the gateway has told of what is not there")
    assert counted()["200"] == 3
    assert counted()["400"] == 1
    assert sum(counted().values()) == 6
    assert missed()["404"] == 7
    assert sums(stack, "athena_http_request_seconds_count", "service_id") - timed == {"faulty": 6}


def test_gateway_tells_of_itself_and_of_redis(stack: Stack) -> None:
    found = scrape(stack)

    (labels, up), *others = [one for one in found["athena_gateway_up"]]
    assert labels["gateway"].endswith(f":{stack.port}") and up == 1 and not others
    assert found["athena_gateway_ready"] == [(labels, 1)]
    assert found["athena_redis_up"] == [({}, 1)]
    assert found["athena_redis_aof_ok"] == [({}, 1)]
    assert found["athena_redis_memory_used_bytes"][0][1] > 0
    assert 0 < found["athena_redis_latency_seconds"][0][1] < 30
    assert found["athena_build_info"][0][1] == 1


def test_scrape_says_that_redis_is_away(stack: Stack) -> None:
    redis_process = stack.redis_process()
    redis_process.suspend()
    try:
        found = wait_until(lambda: says_away(stack), 60, "redis is away")
    finally:
        redis_process.resume()

    assert found["athena_gateway_ready"][0][1] in (0, 1)
    assert "athena_jobs_submitted_total" not in found
    wait_until(lambda: scrape(stack)["athena_redis_up"] == [({}, 1)], 60, "redis is back")


def says_away(stack: Stack) -> Any:
    found = scrape(stack)
    return found if found["athena_redis_up"] == [({}, 0)] else None
