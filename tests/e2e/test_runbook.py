"""docs/runbook.md: each trouble is made, and its section's commands are typed."""

import base64
import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis

from athena.devices.host import host_name
from tests import nvml
from tests.e2e.conftest import ROOT, Stack, serving, wait_until
from tests.e2e.troubled import ocr_request, write_abilities
from tests.nvml import t4s
from tests.walk import Terminal

pytestmark = pytest.mark.e2e

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))


@dataclass(frozen=True)
class Site:
    """A stack in which troubles are made: `ocr` on its host's one GPU, and `legal`, which does not load."""

    stack: Stack
    folder: Path
    fleet: Path

    def submit(self, mode: str = "", seconds: float = 0) -> str:
        """Queues a job of `ocr`."""
        return self.stack.submit("ocr", ocr_request(mode, seconds))

    def worker_pid(self) -> int:
        """Returns the process that answers requests to `ocr`; waits for it."""
        answer = self.stack.post("/ocr", ocr_request()).json()["payload"]["text"]["text"]
        return int(base64.b64decode(answer))

    def workers(self) -> list[str]:
        """Returns the names of the workers that serve `ocr`."""
        found = self.stack.get("/v1/workers").json()["workers"]
        return [item["name"] for item in found if item["service_id"] == "ocr" and item["state"] == "serving"]

    def runs_on_cpu(self) -> bool:
        """Whether a process is there that runs `ocr` on the CPU, also one that is about to end."""
        return bool(self.stack.children(f"ocr.cpu.0@{host_name()}"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("runbook")
    ocr, legal = write_abilities(folder, max_attempts=3, max_exec_s=30)
    fleet = folder / "fleet"
    nvml.write_fleet(fleet, t4s(1))
    environment = nvml.environment(nvml.build(folder / "library"), fleet)
    with serving(folder, ocr, legal, ATHENA_GPU_POLL_S="0.3", ATHENA_ACCESS_LOG="on", **environment) as stack:
        yield Site(stack, folder, fleet)


@contextlib.contextmanager
def nothing_answers(site: Site) -> Iterator[dict[str, str]]:
    gateway = site.stack.child("api")
    gateway.send_signal(signal.SIGSTOP)
    yield {"GATEWAY": str(gateway.pid)}


@contextlib.contextmanager
def slow_gateway(site: Site) -> Iterator[dict[str, str]]:
    gateway = site.stack.child("api")
    with halting(gateway):
        yield {"GATEWAY": str(gateway.pid)}
    wait_until(lambda: site.stack.get("/readyz").status_code == 200, 60, "it is ready")


@contextlib.contextmanager
def slow_redis(site: Site) -> Iterator[dict[str, str]]:
    with halting(site.stack.redis_process()):
        yield {}
    wait_until(lambda: site.stack.get("/readyz").status_code == 200, 60, "it is ready")


@contextlib.contextmanager
def halting(process: psutil.Process) -> Iterator[None]:
    """Stops a process for half of the time."""
    ended = threading.Event()

    def halt() -> None:
        while not ended.wait(0.3):
            process.send_signal(signal.SIGSTOP)
            ended.wait(0.3)
            process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def silent_worker(site: Site) -> Iterator[dict[str, str]]:
    worker = psutil.Process(site.worker_pid())
    worker.send_signal(signal.SIGSTOP)
    wait_until(lambda: not worker.is_running(), 120, "it was ended")
    wait_until(lambda: site.worker_pid() != worker.pid, 90, "another one serves")
    yield {}


@contextlib.contextmanager
def failing_jobs(site: Site) -> Iterator[dict[str, str]]:
    job_id = site.submit(mode="raise")
    site.stack.wait_state(job_id, "failed")
    yield {"ID": job_id}
    wait_until(site.workers, 90, "the replaced worker serves")


@contextlib.contextmanager
def broken_ability(site: Site) -> Iterator[dict[str, str]]:
    wait_until(lambda: "legal" in site.stack.get("/v1/abilities").text, 60, "the failure is known")
    yield {}


@contextlib.contextmanager
def long_queue(site: Site) -> Iterator[dict[str, str]]:
    jobs = [site.submit(seconds=20) for _ in range(8)]
    site.stack.wait_state(jobs[0], "running")
    yield {}
    for job in jobs:
        site.stack.post(f"/v1/jobs/{job}/cancel", None)
    wait_until(lambda: site.stack.job(site.submit(), 20)["state"] == "succeeded", 90, "it serves again")


@contextlib.contextmanager
def paused_queue(site: Site) -> Iterator[dict[str, str]]:
    with site_terminal(site, {}) as terminal:
        terminal.type("athena queues pause ocr")
    yield {"ID": site.submit()}


@contextlib.contextmanager
def dead_letter(site: Site) -> Iterator[dict[str, str]]:
    job_id = site.submit(mode="os_exit")
    site.stack.wait_state(job_id, "poisoned", 120)
    yield {"ID": job_id}


@contextlib.contextmanager
def full_redis(site: Site) -> Iterator[dict[str, str]]:
    site.stack.wait_state(site.submit(), "succeeded")
    with redis.Redis.from_url(site.stack.redis_url) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        # So much that what comes and goes beside it, such as buffers of connections, makes no difference.
        # In pieces, because what a command takes on its way in counts, too.
        ballast = [f"ballast:{number}" for number in range(200)]
        for key in ballast:
            client.set(key, b"x" * 256 * 1024, ex=600)
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.01))
        try:
            yield {}
        finally:
            client.config_set("maxmemory", before)
            client.delete(*ballast)
    wait_until(lambda: site.stack.post("/ocr", ocr_request()).status_code == 200, 60, "new jobs are taken")


@contextlib.contextmanager
def frozen_redis(site: Site) -> Iterator[dict[str, str]]:
    server = site.stack.redis_process()
    server.send_signal(signal.SIGSTOP)
    try:
        ready = f"{site.stack.url}/readyz"
        wait_until(lambda: site.stack.get("/readyz").status_code == 503, 60, f"{ready} is 503")
        yield {}
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(signal.SIGCONT)
    wait_until(lambda: site.stack.get("/readyz").status_code == 200, 90, "it serves again")


@contextlib.contextmanager
def lost_gpu(site: Site) -> Iterator[dict[str, str]]:
    (gpu,) = t4s(1)
    gpu.lines.append("fail 15")
    nvml.write_fleet(site.fleet, [gpu])
    wait_until(lambda: [name for name in site.workers() if ".cpu." in name], 90, "it serves on the CPU")
    # How the GPU is, a host tells with its next heartbeat.
    lost = re.compile(r"^athena_gpu_healthy\{.*\} 0$", re.MULTILINE)
    wait_until(lambda: lost.search(site.stack.get("/metrics").text), 30, "the figures say so")
    yield {}
    nvml.write_fleet(site.fleet, t4s(1))
    wait_until(lambda: all(".T4G16." in name for name in site.workers() or ("none",)), 90, "it is on its GPU")
    # The jobs of the next scene are to meet no worker that is about to leave.
    wait_until(lambda: not site.runs_on_cpu(), 90, "the process on the CPU has ended")


@contextlib.contextmanager
def bad_night(site: Site) -> Iterator[dict[str, str]]:
    ids = {"KILLER": site.submit(mode="os_exit"), "RAISED": site.submit(mode="raise")}
    for name, state in (("KILLER", "poisoned"), ("RAISED", "failed")):
        site.stack.wait_state(ids[name], state, 120)
    slow = ocr_request(seconds=60)
    slow["header"]["max_exec_s"] = 1
    ids["SLOW"] = site.stack.submit("ocr", slow)
    site.stack.wait_state(ids["SLOW"], "timed_out", 120)
    with site_terminal(site, {}) as terminal:
        terminal.type("athena queues pause ocr")
        late = ocr_request()
        late["header"]["max_queue_s"] = 1
        ids["LATE"] = site.stack.submit("ocr", late)
        site.stack.wait_state(ids["LATE"], "expired", 60)
        terminal.type("athena queues resume ocr")
    assert site.stack.post("/ocr", {**ocr_request(), "payload": {"text": {"text": "?"}}}).status_code == 400
    yield ids


@contextlib.contextmanager
def repeated_request(site: Site) -> Iterator[dict[str, str]]:
    with site_terminal(site, {}) as terminal:
        sent = f"curl -s {site.stack.url}/ocr -F app_id=shop -F request_id=order-17 -F text=invoice"
        assert '"accepted"' in terminal.type(f"{sent} -H 'Prefer: respond-async'")
    yield {}


#: Section -> what makes its trouble, and ends it. In this order: `legal` is mended at last.
SCENES: dict[str, Callable[[Site], "contextlib.AbstractContextManager[dict[str, str]]"]] = {
    "Nothing answers": nothing_answers,
    "The gateway is slow": slow_gateway,
    "Requests get 503": broken_ability,
    "The queue grows": long_queue,
    "A job waits": paused_queue,
    "A worker starts again and again": broken_ability,
    "A worker falls silent": silent_worker,
    "Jobs fail": failing_jobs,
    "Dead letters": dead_letter,
    "Redis is full": full_redis,
    "Redis is slow": slow_redis,
    "Redis is away": frozen_redis,
    "A GPU is lost": lost_gpu,
    "What happened at 3 am": bad_night,
    "Was it run twice?": repeated_request,
}


@contextlib.contextmanager
def site_terminal(site: Site, environment: dict[str, str]) -> Iterator[Terminal]:
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": tools, "ATHENA_REDIS_URL": site.stack.redis_url, "LOG": str(site.stack.log_path)}
    own["DATA"] = str(site.stack.data_dir)
    own |= {"ATHENA_PORT": str(site.stack.port), "ATHENA_FLOWER_PORT": "0"}
    terminal = Terminal(site.folder, {**own, **environment})
    try:
        yield terminal
    finally:
        terminal.close()


def test_every_section_has_a_scene() -> None:
    assert SCENES.keys() == SECTIONS.keys()


@pytest.mark.parametrize("title", SCENES)
def test_section_is_of_use_in_its_trouble(site: Site, title: str) -> None:
    section = SECTIONS[title].replace("30889", str(site.stack.port))

    with SCENES[title](site) as environment, site_terminal(site, environment) as terminal:
        assert terminal.follow(section)
