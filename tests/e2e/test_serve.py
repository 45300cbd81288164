"""`athena serve` from the start to the end of its life."""

import base64
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.e2e.conftest import (
    ATHENA,
    FAULTY,
    ROOT,
    Stack,
    example,
    faulty_answer,
    faulty_request,
    wait_until,
)
from tests.ports import free_port

pytestmark = pytest.mark.e2e

ECHO = ("--ability", str(ROOT / "abilities" / "echo"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes(start_stack: Callable[..., Stack], number: signal.Signals) -> None:
    stack = start_stack(*ECHO)
    stack.wait_ready()
    processes = stack.processes()
    assert len(processes) >= 5

    status = stack.stop(number)

    assert status == 0, stack.log
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []
    assert stack.log.rstrip().endswith("athena: stopped")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", stack.port)) != 0


def test_children_end_when_the_supervisor_is_killed(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack("--ability", str(FAULTY))
    stack.wait_ready()
    started = [psutil.Process(int(pid)) for pid in faulty_answer(stack, "children").split()]
    children = stack.processes()[1:]
    assert set(started) <= set(children)

    stack.process.kill()

    _, alive = psutil.wait_procs(children, timeout=40)
    assert alive == []


def test_neither_a_reader_of_the_log_that_goes_nor_a_hangup_under_nohup_does_harm(tmp_path: Path) -> None:
    port = free_port()
    command = [*ATHENA, "serve", "--port", str(port), "--flower-port", str(free_port())]
    command += ["--data", str(tmp_path / "data"), "--ability", str(FAULTY)]
    # As a shell starts it in `nohup athena serve | head`.
    with subprocess.Popen(
        ["nohup", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        try:
            assert any(b"ready after" in line for line in process.stdout)
            process.stdout.close()
            process.send_signal(signal.SIGHUP)

            workers = {ask(port, "print"), ask(port, "")}
            (worker,) = workers
            os.kill(int(worker), signal.SIGKILL)

            wait_until(lambda: ask(port, "print") != worker, 60, "another worker answers")
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(60) == 0


def ask(port: int, mode: str) -> str:
    """Returns what the ability `faulty` answers, as soon as it does."""
    url, body = f"http://127.0.0.1:{port}/faulty", faulty_request(mode=mode)

    def answer() -> Any:
        document = requests.post(url, json=body, timeout=90).json()
        return document if document["header"]["code"] == 0 else None

    document = wait_until(answer, 60, "the wrapper answers")
    return base64.b64decode(document["payload"]["text"]["text"]).decode()


def test_ready_is_announced_with_a_command_that_works(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(*ECHO)
    stack.wait_ready()

    command = wait_until(
        lambda: next((line for line in stack.log.splitlines() if "curl" in line), None), 60, "curl"
    )
    answer = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=60).stdout

    assert json.loads(answer)["header"]["code"] == 0


#: Loads until a file is there, as a large model does for minutes.
SLOW = """
import time
from pathlib import Path
from athena.sdk import Response, ResponseData, WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        while not Path("model").exists():
            time.sleep(0.02)
        return 0

    def wrapperOnceExec(self, params, reqData):
        response = Response()
        response.list = [ResponseData("text", "hello")]
        return response
"""


def test_what_loads_is_never_answered_with_404(tmp_path: Path, start_stack: Callable[..., Stack]) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "wrapper.py").write_text(SLOW)
    stack = start_stack(*ECHO, "--ability", str(slow))

    def probe() -> list[requests.Response]:
        try:
            return [stack.get("/readyz")]
        except requests.ConnectionError:
            return []

    (first,) = wait_until(probe, 60, "the gateway answers")
    assert (first.status_code, first.headers["Retry-After"]) == (503, "2")
    assert "slow" in first.json()["loading"]
    envelope = {"header": {"app_id": "me", "status": 3}}
    early = stack.post("/slow", envelope)
    assert (early.status_code, early.headers["Retry-After"]) == (503, "2")
    assert early.json()["header"]["message"] == "slow is loading"
    wait_until(lambda: stack.post("/echo", example("echo")).status_code == 200, 60, "echo serves")
    # What serves is told by its host about once a second.
    wait_until(lambda: stack.get("/readyz").json()["loading"] == ["slow"], 30, "echo loads no more")
    assert stack.get("/readyz").status_code == 503

    (slow / "model").touch()
    wait_until(lambda: stack.get("/readyz").status_code == 200, 60, "ready")

    assert stack.post("/slow", envelope).status_code == 200
    assert stack.post("/nobody", envelope).status_code == 404


def test_jobs_survive_a_restart_of_everything(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port(), free_port(), *ECHO)
    stack.wait_ready()
    answer = stack.post("/echo", example("echo"), headers={"Prefer": "respond-async"}).json()
    job = answer["urls"]["job"]
    wait_until(lambda: stack.get(job).json()["job"]["state"] == "succeeded", 30, "job done")
    stack.stop()

    again = Stack(tmp_path, free_port(), free_port(), *ECHO)
    try:
        again.wait_ready()

        assert again.get(job).json()["payload"]["text"]["text"] == "aGVsbG8="
    finally:
        again.stop()


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("raise RuntimeError('model.onnx is missing; run make model')", "run make model"),
        ("x = 1", "defines no class Wrapper"),
        (
            "from athena.sdk import WrapperBase\n"
            "class Wrapper(WrapperBase):\n"
            "    def wrapperInit(self, config): return 7\n"
            "    def wrapperOnceExec(self, params, reqData): pass\n"
            "    def wrapperError(self, ret): return 'the licence has expired'\n",
            "wrapperInit returned 7: the licence has expired",
        ),
        ("import os\nos._exit(5)", "its output above says why"),
    ],
)
def test_a_broken_ability_ends_the_start_with_one_clear_line(
    tmp_path: Path, source: str, remedy: str
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "wrapper.py").write_text(source)

    done = _serve(tmp_path, "--ability", str(folder))

    assert done.returncode == 78
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("athena: ")
    assert "broken" in last and remedy in last


def test_a_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        done = _serve(tmp_path, *ECHO, "--port", str(port))

    assert done.returncode == 78
    assert f"127.0.0.1:{port}" in done.stderr and "--port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--ability", "nowhere"), "is not a folder"),
        ((*ECHO, "--redis", "redis://127.0.0.1:1"), "check --redis"),
        ((*ECHO, "--redis", "http://127.0.0.1"), "must start with redis://"),
        ((*ECHO, "--port", "http"), "--port: 'http' cannot be used"),
        ((*ECHO, *ECHO), "is named twice; leave one out"),
    ],
)
def test_a_wrong_option_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...], remedy: str) -> None:
    done = _serve(tmp_path, *arguments)

    assert done.returncode == 78
    assert remedy in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_data_folder_serves_one_at_a_time(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(*ECHO)
    stack.wait_ready()

    ports = ("--port", str(free_port()), "--flower-port", str(free_port()))

    done = _run("serve", *ECHO, "--data", str(stack.data_dir), *ports)

    assert done.returncode == 78
    assert "another athena serve uses" in done.stderr


def test_the_embedded_redis_cannot_be_reached_from_outside(stack: Stack) -> None:
    redis_process = stack.redis_process()

    assert redis_process.net_connections("inet") == []
    mode = (stack.data_dir / "redis.sock").stat().st_mode & 0o777
    assert mode == 0o700


@pytest.mark.parametrize("service_id", ["echo", "mmocr"])
def test_each_example_is_answered(stack: Stack, service_id: str) -> None:
    printed = _run("example", service_id).stdout

    answer = stack.post(f"/v1/private/{service_id}", json.loads(printed))

    assert answer.status_code == 200
    assert answer.json()["header"]["code"] == 0


def test_parts_run_alone(tmp_path: Path, start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(*ECHO)
    stack.wait_ready()
    port = free_port()
    parts = [
        subprocess.Popen(
            [*ATHENA, *part, "--redis", stack.redis_url],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for part in (("api", "--port", str(port)), ("worker", ECHO[1]))
    ]
    try:
        url = f"http://127.0.0.1:{port}"

        def workers() -> bool:
            try:
                listed = requests.get(f"{url}/v1/abilities/echo", timeout=60).json()
            except requests.ConnectionError:
                return False
            return len(listed.get("workers", ())) == 2

        wait_until(workers, 60, "both workers seen by the second gateway")
        assert requests.post(f"{url}/echo", json=example("echo"), timeout=60).status_code == 200
    finally:
        for part in parts:
            part.terminate()
            assert part.wait(60) in (0, -signal.SIGTERM)


def _serve(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    fixed = ["--data", str(folder / "data"), "--flower-port", str(free_port())]
    if "--port" not in arguments:
        fixed += ["--port", str(free_port())]
    return _run("serve", *fixed, *arguments)


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*ATHENA, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
