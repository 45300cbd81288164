"""An ability whose workers a scaler starts: it has none for long, and its jobs wait for the first."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from tests.e2e.conftest import ATHENA, ECHO, ROOT, example, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.e2e


class Site:
    """A gateway and workers that come and go, as in a cluster."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._folder = folder
        self._open = ExitStack()
        self._environment = {
            **os.environ,
            "ATHENA_REDIS_URL": redis_url,
            "ATHENA_PORT": str(port),
            "ATHENA_ON_DEMAND": "echo",
            "ATHENA_UNSERVED_GRACE_S": "0.5",
        }
        self.gateway = self.start("api")

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [*ATHENA, *arguments],
                cwd=ROOT,
                env={**self._environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._open.callback(self.end, process)
        return process

    def end(self, process: "subprocess.Popen[bytes]") -> int:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait(60)

    def close(self) -> None:
        self._open.close()

    def probe(self, *options: str, **environment: str) -> int:
        command = [*ATHENA, "probe", *options]
        return subprocess.run(command, env={**self._environment, **environment}, timeout=60).returncode

    def submit(self) -> requests.Response:
        return requests.post(f"{self.url}/echo", json=example("echo"), headers={"Prefer": "respond-async"})

    def demand(self) -> float | None:
        """Returns what a scaler would read."""
        lines = requests.get(f"{self.url}/metrics").text.splitlines()
        wanted = 'athena_demand_jobs{service_id="echo",gpu_type="cpu"} '
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), None)

    def job(self, job_id: str) -> Any:
        return requests.get(f"{self.url}/v1/jobs/{job_id}").json()["job"]


@pytest.fixture
def site(redis_server: str, redis_client: redis.Redis, tmp_path: Path) -> Iterator[Site]:
    site = Site(redis_server, tmp_path)
    yield site
    site.close()


def test_jobs_wait_for_a_worker_that_a_scaler_starts(site: Site, tmp_path: Path) -> None:
    pulse = {"ATHENA_PULSE_FILE": str(tmp_path / "pulse")}
    wait_until(lambda: site.probe("--ready") == 0, 60, "the gateway is ready")
    assert site.submit().status_code == 404
    worker = site.start("worker", str(ECHO), **pulse)
    wait_until(lambda: site.probe("--ready", **pulse) == 0, 60, "the worker is ready")
    wait_until(lambda: site.demand() == 0, 30, "its demand is told")

    assert site.end(worker) == 0
    gone_s = time.monotonic()
    wait_until(lambda: time.monotonic() - gone_s > 2, 30, "the grace is over")

    # Without workers, and longer than the grace: accepted, and told of.
    answers = [site.submit() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    wait_until(lambda: site.demand() == 3, 30, "the demand of jobs that wait")

    site.start("worker", str(ECHO), **pulse)
    jobs = [answer.json()["job"]["id"] for answer in answers]
    wait_until(lambda: {site.job(job)["state"] for job in jobs} == {"succeeded"}, 60, "all are answered")
    wait_until(lambda: site.demand() == 0, 30, "nothing is left to do")


def test_probe_finds_a_gateway_that_does_not_turn(site: Site) -> None:
    wait_until(lambda: site.probe("--ready") == 0, 60, "the gateway is ready")
    site.gateway.send_signal(signal.SIGSTOP)
    try:
        assert site.probe() == 1
    finally:
        site.gateway.send_signal(signal.SIGCONT)
    wait_until(lambda: site.probe() == 0, 30, "it answers again")
