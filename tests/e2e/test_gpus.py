"""A host with GPUs, told by a stand-in for NVIDIA's library: pinning, routing, lanes, GPUs that turn bad."""

import concurrent.futures
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import nvml
from tests.nvml import StandInGpu, a100s, t4s

from .conftest import ATHENA, ROOT, Stack, serving, wait_until

GPU_MODEL = ROOT / "tests" / "abilities" / "gpu_model"
T4, OTHER_T4, A100 = (gpu.uuid for gpu in (*t4s(2), *a100s(1, 2)))

pytestmark = pytest.mark.e2e


def gpus(*bad: int) -> list[StandInGpu]:
    fleet = [*t4s(2), *a100s(1, 2)]
    for gpu in fleet:
        gpu.lines += ["utilization 50", "temperature 40", "power 60000 70000"]
    for index in bad:
        fleet[index].lines.append("fail 15")
    return fleet


class Host(Stack):
    """A stack on a host with two T4s and an A100."""

    fleet_path: Path

    def become(self, *bad: int) -> None:
        """Lets GPUs fall off the bus, and the others come back."""
        nvml.write_fleet(self.fleet_path, gpus(*bad))

    def request(self, header: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        return {
            "header": {"app_id": "test", "status": 3, **(header or {})},
            "parameter": {"gpu_model": {"run": {"format": "json"}, **params}},
            "payload": {"text": {"text": "aGk="}},
        }

    def run(self, **params: Any) -> dict[str, Any]:
        """Returns what the model says of the run of a request."""
        answer = self.post("/gpu_model", self.request(**params))
        assert answer.status_code == 200, answer.text
        run: dict[str, Any] = answer.json()["payload"]["run"]["text"]
        assert run["gpu_type"] == answer.json()["header"]["gpu_type"]
        return run

    def submit_hinted(self, lane: str = "normal", **params: Any) -> str:
        """Queues a request and returns its job's id."""
        return self.submit("gpu_model", self.request({"priority": lane}, **params))

    def operate(self, *words: str) -> None:
        """Runs an operator's command."""
        command = [*ATHENA, *words, "--data", str(self.data_dir)]
        subprocess.run(command, check=True, capture_output=True)

    def occupied(self) -> set[str]:
        """Returns the GPUs that have a worker which may take jobs, though it is about to end."""
        workers = self.get("/v1/workers").json()["workers"]
        return {worker["gpu_id"] for worker in workers if worker["model_loaded"]}

    def serving(self) -> set[str]:
        """Returns the GPUs that have a live worker."""
        workers = self.get("/v1/workers").json()["workers"]
        return {worker["gpu_id"] for worker in workers if worker["state"] == "serving"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("gpus")
    fleet = folder / "fleet"
    nvml.write_fleet(fleet, gpus())
    environment = nvml.environment(nvml.build(folder / "library"), fleet)
    with serving(folder, GPU_MODEL, ATHENA_GPU_POLL_S="0.3", **environment) as running:
        running.__class__ = Host
        assert isinstance(running, Host)
        running.fleet_path = fleet
        wait_until(lambda: running.serving() == {T4, OTHER_T4, A100}, 60, "all workers serve")
        yield running


def test_worker_sees_its_gpu_and_no_other(host: Host) -> None:
    runs = [host.run(gpu_id=uuid) for uuid in (T4, OTHER_T4, A100)]

    assert [run["visible"] for run in runs] == [T4, OTHER_T4, A100]
    assert [run["gpu_id"] for run in runs] == [T4, OTHER_T4, A100]


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        ({"gpu_type": "T4G16"}, {T4, OTHER_T4}),
        ({"gpu_type": "A100G80"}, {A100}),
        ({"gpu_type": "any"}, {T4, OTHER_T4, A100}),
        # Of no type that lives: the first of the ability's order.
        ({"gpu_type": "H200G141"}, {A100}),
        ({"gpu_type": "T4G16", "gpu_id": "1"}, {OTHER_T4}),
        ({"gpu_type": "any", "gpu_id": "2"}, {A100}),
        ({"gpu_type": "T4G16", "gpu_id": "9"}, {T4, OTHER_T4}),
        (
            {
                "category": "ai_category",
                "application_mode": "common_gpu",
                "gpu_id": "first",
                "gpu_type": "T4G16",
            },
            {T4, OTHER_T4},
        ),
    ],
)
def test_request_runs_where_its_hints_say(host: Host, hints: dict[str, str], expected: set[str]) -> None:
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: host.run(**hints), range(12)))

    assert {run["gpu_id"] for run in runs} <= expected


def test_batch_is_shared_unless_the_request_wants_to_be_alone(host: Host) -> None:
    def run_many(**hints: str) -> list[int]:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            runs = pool.map(lambda _: host.run(gpu_id=A100, **hints), range(32))
            return [run["batch"] for run in runs]

    assert max(run_many(application_mode="common_gpu")) > 1
    assert set(run_many(application_mode="exclusive_gpu")) == {1}


def test_high_jobs_overtake_normal_ones_that_wait(host: Host) -> None:
    # All of them wait before the first one is taken, however slow the machine is.
    host.operate("queues", "pause", "gpu_model.A100G80")
    normal = [host.submit_hinted(gpu_type="A100G80") for _ in range(80)]
    high = [host.submit_hinted("high", gpu_type="A100G80") for _ in range(4)]
    host.operate("queues", "resume", "gpu_model.A100G80")

    ended = {job_id: host.job(job_id, wait_s=60) for job_id in [*normal, *high]}

    assert all(job["state"] == "succeeded" for job in ended.values())
    last_high_ms = max(ended[job_id]["finished_ms"] for job_id in high)
    later = [job_id for job_id in normal if ended[job_id]["finished_ms"] > last_high_ms]
    assert len(later) > 16
    assert {ended[job_id]["queue"] for job_id in high} == {"gpu_model.A100G80.high"}


def test_state_of_workers_and_gpus_is_shown(host: Host) -> None:
    def told() -> Any:
        hosts = host.get("/v1/workers").json()["hosts"]
        return hosts[0] if hosts else None

    report = wait_until(told, 30, "the host is told of")
    assert not report["is_stale"]
    assert [device["gpu_type"] for device in report["devices"]] == ["T4G16", "T4G16", "A100G80"]
    assert report["inventory"]["gpus"][0]["temperature_c"] == 40
    workers = host.get("/v1/workers").json()["workers"]
    assert [worker["gpu"] for worker in workers] == ["2", "0", "1"]
    assert all(worker["model_loaded"] and worker["slots"] == 16 for worker in workers)


def test_prometheus_reads_the_fleet(host: Host) -> None:
    def scrape() -> Any:
        answer = host.get("/metrics")
        assert answer.headers["Content-Type"].startswith("text/plain")
        found = {family.name: family for family in text_string_to_metric_families(answer.text)}
        # Hosts tell once a second how they are, and the first time after their workers serve.
        return found if "athena_gpu_utilization_ratio" in found else None

    families = wait_until(scrape, 30, "the host tells of its GPUs")
    assert [sample.value for sample in families["athena_gpu_utilization_ratio"].samples] == [0.5] * 3
    assert {sample.labels["gpu_id"] for sample in families["athena_worker_slots"].samples} == {
        T4,
        OTHER_T4,
        A100,
    }
    assert families["athena_queue_jobs"].samples


def test_gpu_that_turns_bad_is_drained_and_comes_back(host: Host) -> None:
    jobs = [host.submit_hinted(gpu_type="T4G16") for _ in range(60)]

    host.become(0)
    wait_until(
        lambda: host.serving() == host.occupied() == {OTHER_T4, A100}, 30, "the lost GPU has no worker"
    )
    assert {host.run(gpu_type="T4G16")["gpu_id"] for _ in range(5)} == {OTHER_T4}

    def problem() -> str:
        (told,) = host.get("/v1/workers").json()["hosts"]
        (gpu,) = (device for device in told["devices"] if device["uuid"] == T4)
        return gpu["problem"] or ""

    # Hosts tell once a second how they are.
    wait_until(lambda: "fallen off the bus" in problem(), 30, "the host tells why")

    host.become()
    wait_until(lambda: host.serving() == {T4, OTHER_T4, A100}, 60, "all workers serve again")
    assert host.run(gpu_id=T4)["visible"] == T4
    assert {host.job(job_id, wait_s=60)["state"] for job_id in jobs} == {"succeeded"}


def test_jobs_move_when_their_type_has_lost_its_last_worker(host: Host) -> None:
    host.operate("queues", "pause", "gpu_model.A100G80")
    jobs = [host.submit_hinted(lane, gpu_type="A100G80") for lane in ("normal", "low")]
    host.become(2)
    wait_until(lambda: host.serving() == host.occupied() == {T4, OTHER_T4}, 30, "the A100 has no worker")
    # What an operator has paused stays where it is.
    assert {host.job(job_id)["state"] for job_id in jobs} == {"queued"}

    host.operate("queues", "resume", "gpu_model.A100G80")

    ended = [host.job(job_id, wait_s=60) for job_id in jobs]
    assert {(job["state"], job["gpu_type"]) for job in ended} == {("succeeded", "T4G16")}
    assert [job["queue"] for job in ended] == ["gpu_model.T4G16", "gpu_model.T4G16.low"]
    host.become()
    wait_until(lambda: host.serving() == {T4, OTHER_T4, A100}, 60, "all workers serve again")


@pytest.fixture(scope="module")
def make_strict(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def make() -> Path:
        folder = tmp_path_factory.mktemp("strict") / "gpu_model"
        folder.mkdir()
        for name in ("wrapper.py", "ability.toml"):
            text = (GPU_MODEL / name).read_text()
            (folder / name).write_text(text.replace("[gpu]\n", "[gpu]\nfallback = false\n"))
        return folder

    return make


def test_ability_without_fallback_says_which_types_live(
    tmp_path: Path, make_strict: Callable[[], Path]
) -> None:
    fleet = tmp_path / "fleet"
    nvml.write_fleet(fleet, t4s(1))
    environment = nvml.environment(nvml.build(tmp_path / "library"), fleet)
    with serving(tmp_path, make_strict(), **environment) as running:
        body = Host.request(running, gpu_type="A100G80")  # type: ignore[arg-type]
        answer = running.post("/gpu_model", body)

    assert answer.status_code == 503
    assert "no worker of type A100G80 and allows no other; alive: T4G16" in answer.json()["header"]["message"]


def test_type_has_one_name_whoever_names_it(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    nvml.write_fleet(fleet, t4s(1))
    environment = nvml.environment(nvml.build(tmp_path / "library"), fleet)
    with serving(tmp_path, GPU_MODEL, ATHENA_GPU_ALIASES="T4G16=small", **environment) as running:
        bodies = [Host.request(running, gpu_type=name) for name in ("T4G16", "small")]  # type: ignore[arg-type]
        answers = [running.post("/gpu_model", body).json()["header"] for body in bodies]
        (listed,) = running.get("/v1/abilities").json()["abilities"]

    assert [answer["gpu_type"] for answer in answers] == ["small", "small"]
    assert listed["gpu_types"] == ["A100G80", "small"]


def test_ability_that_needs_a_gpu_is_refused_where_there_is_none(
    start_stack: Callable[..., Stack],
) -> None:
    stack = start_stack("--ability", str(GPU_MODEL))

    assert stack.process.wait(60) == 78
    assert (
        "gpu_model gets no worker: it needs one of A100G80, T4G16, and there is no NVIDIA driver" in stack.log
    )


def test_refused_ability_does_not_keep_the_others_from_being_served(
    start_stack: Callable[..., Stack],
) -> None:
    stack = start_stack("--ability", str(GPU_MODEL), "--ability", str(ROOT / "abilities" / "echo"))
    stack.wait_ready()

    def why() -> Any:
        listed = json.loads(stack.get("/v1/abilities").text)["abilities"]
        return [item["failure"] for item in listed if item["service_id"] == "gpu_model"]

    (reason,) = wait_until(why, 30, "the reason is told")
    assert "there is no NVIDIA driver" in reason


def test_workers_alone_join_a_gateway_of_elsewhere(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    nvml.write_fleet(fleet, t4s(2))
    environment = {**os.environ, **nvml.environment(nvml.build(tmp_path / "library"), fleet)}
    with serving(tmp_path, ROOT / "abilities" / "echo") as running:
        command = [*ATHENA, "workers", "--ability", str(GPU_MODEL), "--redis", running.redis_url]
        with (tmp_path / "workers.log").open("wb") as log:
            workers = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            # A GPU that has no worker yet pins nothing.
            both = {gpu.uuid for gpu in t4s(2)}
            wait_until(lambda: both <= Host.serving(running), 60, "both serve")  # type: ignore[arg-type]
            body = Host.request(running, gpu_type="T4G16", gpu_id="1")  # type: ignore[arg-type]
            answer = running.post("/gpu_model", body)
        finally:
            workers.terminate()
            assert workers.wait(60) == 0
        hosts = running.get("/v1/workers").json()["hosts"]

    assert answer.json()["payload"]["run"]["text"]["visible"] == t4s(2)[1].uuid
    # Who stops signs off; the host of the stack itself still tells.
    assert [host["inventory"]["gpus"] for host in hosts] == [[]]
