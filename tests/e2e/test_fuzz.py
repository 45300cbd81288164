"""Requests that no sane caller sends: every shipped ability answers each of them, and none grows by it.

ATHENA_TEST_FUZZ sets how many requests each ability gets.
"""

import json
import os
import re
import runpy
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.conftest import ROOT, Stack
from tests.models.examples import environment
from tests.mutations import BODIES, document_of
from tests.ports import free_port

pytestmark = pytest.mark.e2e

REQUESTS = int(os.environ.get("ATHENA_TEST_FUZZ", "300"))
FOLDERS = {path.parent.name: path.parent for path in ROOT.glob("abilities/*/wrapper.py")}
FOLDERS |= {path.parent.name: path.parent for path in ROOT.glob("examples/*/wrapper.py")}

#: A process may grow by this much; what leaks a little each request grows by more.
GROWTH_BYTES = 48 * 1024 * 1024

CONTENT_TYPES = st.sampled_from(
    ["application/json", "text/plain", "image/png", "audio/wav", "multipart/form-data; boundary=x"]
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All shipped abilities, and the API that `forward` wants."""
    folder = tmp_path_factory.mktemp("fuzz")
    api = runpy.run_path(str(ROOT / "examples" / "forward" / "stub.py"))["Stub"](0, 0.0)
    thread = threading.Thread(target=api.serve_forever, args=(0.01,))
    thread.start()
    shutil.copytree(FOLDERS["forward"], folder / "forward")
    toml = folder / "forward" / "ability.toml"
    toml.write_text(toml.read_text().replace("127.0.0.1:9100", f"127.0.0.1:{api.server_address[1]}"))
    paths = {**FOLDERS, "forward": folder / "forward"}
    arguments = [part for path in paths.values() for part in ("--ability", str(path))]
    running = Stack(folder, free_port(), free_port(), *arguments, **environment())
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()
        api.shutdown()
        api.server_close()
        thread.join()


def example(name: str) -> Any:
    path = FOLDERS[name] / "example.json"
    if path.exists():
        return json.loads(path.read_text())
    return {
        "header": {"app_id": "demo", "status": 3},
        "parameter": {name: {"translation": {"format": "plain"}}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }


def is_fair(answer: requests.Response) -> bool:
    """Whether an answer is a success, a refusal, or an error that a wrapper reported on purpose."""
    if answer.status_code < 500:
        return True
    header = answer.json()["header"]
    return header["code"] == 10909 and re.search(r";code=\d+$", header["message"]) is not None


def memory_bytes(stack: Stack) -> dict[str, int]:
    """Returns how much the gateway and each worker hold."""
    found = {}
    for process in stack.processes()[1:]:
        try:
            line = process.cmdline()
            if "api" in line or "workers" in line:
                found[f"{line[-1]} {process.pid}"] = process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_an_ability_answers_whatever_is_sent(everything: Stack, name: str) -> None:
    session = requests.Session()
    statuses: dict[int, int] = {}

    def send(body: bytes, content_type: str) -> requests.Response:
        url = f"{everything.url}/v1/private/{name}"
        query = {} if content_type == "application/json" else {"app_id": "fuzz"}
        headers = {"Content-Type": content_type}
        return session.post(url, params=query, data=body, headers=headers, timeout=60)

    @settings(
        max_examples=REQUESTS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(BODIES, CONTENT_TYPES)
    def fuzz(body: Any, content_type: str) -> None:
        if isinstance(body, bytes):
            answer = send(body, content_type)
        else:
            answer = send(json.dumps(document_of(body, example(name))).encode(), "application/json")
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert is_fair(answer), answer.text

    for _ in range(20):
        assert is_fair(send(json.dumps(example(name)).encode(), "application/json"))
    before = memory_bytes(everything)
    fuzz()
    after = memory_bytes(everything)

    assert send(json.dumps(example(name)).encode(), "application/json").status_code == 200
    assert after.keys() == before.keys(), "a process has died"
    assert all(size - before[key] < GROWTH_BYTES for key, size in after.items()), (before, after)
    grown = max(after[key] - before[key] for key in after)
    print(f"{name}: {sum(statuses.values())} requests, {statuses}, largest growth {grown / 1e6:.1f} MB")
