"""Alerts under the faults that they are for, and the dashboards' queries, asked of a real Prometheus."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import requests

from tests import nvml
from tests.dashboards.pages import DASHBOARDS
from tests.e2e.conftest import wait_until
from tests.e2e.observed import ObservedStack, observing, quick_monitoring
from tests.e2e.troubled import ocr_request, write_abilities
from tests.nvml import t4s

pytestmark = pytest.mark.e2e

#: With this variable set the rules are those that are shipped; otherwise alerts fire without their `for`, and
#: scrapes and rounds of rules come each second.
AS_SHIPPED = bool(os.environ.get("ATHENA_TEST_ALERTS_AS_SHIPPED"))

#: An alert has to fire in this time.
FIRES_WITHIN_S = 300.0 if AS_SHIPPED else 60.0


@dataclass(frozen=True)
class Site:
    """A stack that is watched: `ocr` on its host's one GPU, and `legal`, which does not load."""

    stack: ObservedStack
    fleet: Path

    def ask_later(self, mode: str = "", seconds: float = 0) -> requests.Response:
        """Sends a request whose answer is a job, or a refusal."""
        return self.stack.post("/ocr", ocr_request(mode, seconds), headers={"Prefer": "respond-async"})

    def submit(self, mode: str = "", seconds: float = 0) -> str:
        """Queues a job of `ocr`."""
        return self.stack.submit("ocr", ocr_request(mode, seconds))

    def serves(self) -> bool:
        """Whether `ocr` answers."""
        return self.stack.post("/ocr", ocr_request()).status_code == 200

    def fires(
        self, name: str, meanwhile: Callable[[], object] = lambda: None, **labels: str
    ) -> dict[str, Any]:
        """Waits for an alert, and returns it; what keeps its fault up is done before each look."""

        def found() -> dict[str, Any] | None:
            meanwhile()
            for alert in self.stack.prometheus.firing().get(name, []):
                if labels.items() <= alert["labels"].items():
                    return alert
            return None

        began_s = time.monotonic()
        alert: dict[str, Any] = wait_until(found, FIRES_WITHIN_S, f"{name} {labels} fires")
        print(f"| {name} | {alert['annotations']['summary']} | {time.monotonic() - began_s:.0f} s |")
        return alert


def working_gpu() -> nvml.StandInGpu:
    (gpu,) = t4s(1)
    gpu.lines += ["utilization 50", "temperature 40", "power 60000 70000"]
    return gpu


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("alerts")
    ocr, legal = write_abilities(folder, max_attempts=2, max_exec_s=5, max_queue_jobs=20)
    fleet = folder / "fleet"
    nvml.write_fleet(fleet, [working_gpu()])
    environment = nvml.environment(nvml.build(folder / "library"), fleet)
    if not AS_SHIPPED:
        environment["ATHENA_MONITORING"] = str(quick_monitoring(folder))
    with observing(folder, ocr, legal, ATHENA_GPU_POLL_S="0.3", **environment) as stack:
        wait_until(lambda: stack.prometheus.value('up{job="athena"}') == 1, 60, "it is scraped")
        yield Site(stack, fleet)


def test_ability_that_does_not_load(site: Site) -> None:
    site.fires("AbilityUnserved", service_id="legal")
    alert = site.fires("WorkerStartFails", service_id="legal")

    assert alert["annotations"]["summary"] == "Workers of legal do not start"


def test_wrapper_that_fails(site: Site) -> None:
    for _ in range(16):
        site.stack.post("/ocr", ocr_request(mode="raise"))

    assert "of the jobs of ocr fail" in site.fires("JobsFail", service_id="ocr")["annotations"]["summary"]


def test_worker_that_is_deaf(site: Site) -> None:
    assert site.serves()
    assert "WorkerFails" not in site.stack.prometheus.firing()
    for worker in site.stack.children("-m", "workers"):
        worker.send_signal(signal.SIGSTOP)

    # Its supervisor ends it when nothing was heard of it for 20 s.
    site.fires("WorkerFails", service_id="ocr")
    hung = 'sum(athena_worker_exits_total{service_id="ocr",cause="hung"})'
    assert (site.stack.prometheus.value(hung) or 0) >= 1
    wait_until(site.serves, 90, "it serves again")


def test_job_that_kills_its_workers(site: Site) -> None:
    site.stack.wait_state(site.submit(mode="os_exit"), "poisoned", 120)

    site.fires("DeadLetters", service_id="ocr")
    site.fires("WorkerFails", service_id="ocr")


def test_job_that_runs_too_long(site: Site) -> None:
    site.submit(seconds=600)

    site.fires("ExecTimeouts", service_id="ocr")
    wait_until(site.serves, 90, "it serves again")


def test_queue_that_fills_up(site: Site) -> None:
    jobs = []
    while (answer := site.ask_later(seconds=3)).status_code == 202:
        jobs.append(answer.json()["job"]["id"])
        assert len(jobs) < 40
    assert answer.status_code == 429

    def refill() -> None:
        if (answer := site.ask_later(seconds=3)).status_code == 202:
            jobs.append(answer.json()["job"]["id"])

    site.fires("QueueNearLimit", refill, service_id="ocr")
    if not AS_SHIPPED:
        # Its minute is a second here; the queue is empty long before a minute is over.
        site.fires("QueueTooOld", service_id="ocr")
        # So are its five minutes of growth.
        site.fires("QueueGrows", refill, service_id="ocr")
    for job in jobs:
        site.stack.post(f"/v1/jobs/{job}/cancel", None)
    wait_until(site.serves, 90, "it serves again")


def test_queries_of_the_dashboards_have_answers(site: Site) -> None:
    prometheus = site.stack.prometheus
    assert site.serves()

    for name, expression in _expressions():
        wait_until(partial(prometheus.query, expression), 60, f"{name}: {expression}")


def _expressions() -> Iterator[tuple[str, str]]:
    """Yields what dashboards ask for, as Grafana would ask for all abilities."""
    for page in DASHBOARDS:
        for chart in (chart for row in page.rows for chart in row.charts):
            for query in chart.queries:
                expression = query.expression.replace("$ability", ".*").replace("$__rate_interval", "1m")
                yield f"{page.title}, {chart.title}", expression


def test_gpu_that_is_lost(site: Site) -> None:
    gpu = working_gpu()
    gpu.lines.append("fail 15")
    nvml.write_fleet(site.fleet, [gpu])

    site.fires("GpuUnhealthy", gpu="0", product="Tesla T4")
    nvml.write_fleet(site.fleet, [working_gpu()])
    wait_until(lambda: "GpuUnhealthy" not in site.stack.prometheus.firing(), 60, "it has ended")


def test_redis_that_is_nearly_full(site: Site) -> None:
    with redis.Redis.from_url(site.stack.redis_url) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
        try:
            site.fires("RedisMemoryHigh")
        finally:
            client.config_set("maxmemory", before)


def test_redis_that_is_slow(site: Site) -> None:
    with halting(site.stack.redis_process(), 0.6):
        site.fires("RedisSlow")


def test_gateway_that_is_blocked_now_and_then(site: Site) -> None:
    with halting(site.stack.child("-m", "api"), 0.9):
        assert "gateway" in site.fires("GatewayBlocked")["labels"]


def test_redis_that_is_away(site: Site) -> None:
    server = site.stack.redis_process()
    server.send_signal(signal.SIGSTOP)
    try:
        site.fires("RedisDown")
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(signal.SIGCONT)
    wait_until(site.serves, 90, "it serves again")


def test_gateway_that_hangs(site: Site) -> None:
    gateway = site.stack.child("-m", "api")
    gateway.send_signal(signal.SIGSTOP)

    assert site.fires("GatewayDown")["labels"]["instance"] == site.stack.url.removeprefix("http://")
    gateway.send_signal(signal.SIGCONT)
    wait_until(lambda: "GatewayDown" not in site.stack.prometheus.firing(), 60, "it has ended")


def test_host_that_falls_silent(site: Site) -> None:
    supervisor = site.stack.supervisor()
    supervisor.send_signal(signal.SIGSTOP)
    try:
        alert = site.fires("WorkerSilent", service_id="ocr")
    finally:
        supervisor.send_signal(signal.SIGCONT)

    assert alert["labels"]["worker"].startswith("ocr.")


@contextlib.contextmanager
def halting(process: psutil.Process, seconds: float) -> Iterator[None]:
    """Stops a process for some time, again and again."""
    ended = threading.Event()

    def halt() -> None:
        while not ended.wait(seconds):
            process.send_signal(signal.SIGSTOP)
            ended.wait(seconds)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
