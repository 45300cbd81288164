"""Wrappers of all kinds, served as they are."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Stack, free_port, wait_until

pytestmark = pytest.mark.e2e

BROKEN = """
from athena.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        raise RuntimeError("model.onnx is missing; run make model")

    def wrapperOnceExec(self, params, reqData):
        return None
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A good ability, a noisy one, and one that cannot load."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "broken").mkdir()
    (folder / "broken" / "wrapper.py").write_text(BROKEN)
    shutil.copytree(ROOT / "tests" / "abilities" / "noisy", folder / "noisy")
    paths = [ROOT / "abilities" / "echo", folder / "noisy", folder / "broken"]
    running = Stack(
        folder, free_port(), free_port(), *(part for path in paths for part in ("--ability", str(path)))
    )
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def text_request(service_id: str, text: str = "aGVsbG8=") -> dict[str, object]:
    return {
        "header": {"app_id": "test", "status": 3},
        "parameter": {service_id: {"text": {"format": "plain"}}},
        "payload": {"text": {"text": text}},
    }


def test_a_broken_ability_leaves_the_good_one_serving(mixed: Stack) -> None:
    for _ in range(3):
        answer = mixed.post("/echo", text_request("echo"))

        assert answer.json()["payload"]["text"]["text"] == "aGVsbG8="


def test_a_broken_ability_says_why_in_the_log_and_over_http(mixed: Stack) -> None:
    why = "wrapperInit raised RuntimeError: model.onnx is missing; run make model"

    listed = mixed.get("/v1/abilities").json()["abilities"]
    answer = mixed.post("/broken", text_request("broken"))

    assert f"athena: ability broken: {why}" in mixed.log
    assert {"service_id": "broken", "workers": [], "failure": why} in listed
    assert answer.status_code == 503
    assert answer.json()["header"]["code"] == 10225
    assert why in answer.json()["header"]["message"]


def test_a_noisy_wrapper_disturbs_nobody(mixed: Stack) -> None:
    for _ in range(3):
        answer = mixed.post("/noisy", text_request("noisy"))

        assert answer.json()["payload"]["text"]["text"] == "aGVsbG8="


def test_a_mended_ability_is_served_without_a_restart(
    tmp_path: Path, start_stack: Callable[..., Stack]
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "wrapper.py").write_text(BROKEN)
    stack = start_stack("--ability", str(ROOT / "abilities" / "echo"), "--ability", str(broken))
    stack.wait_ready()

    shutil.copy(ROOT / "tests" / "abilities" / "noisy" / "wrapper.py", broken / "wrapper.py")

    wait_until(lambda: stack.post("/broken", text_request("broken")).status_code == 200, 60, "it is served")
    described = stack.get("/v1/abilities/broken").json()
    assert described["failure"] is None


def test_wrapper_fini_is_called_whatever_the_wrapper_did_to_its_process(
    tmp_path: Path, start_stack: Callable[..., Stack]
) -> None:
    stack = start_stack("--ability", str(ROOT / "tests" / "abilities" / "noisy"))
    stack.wait_ready()

    status = stack.stop(signal.SIGTERM)

    assert status == 0
    assert stack.log.count("wrapperFini was called") == 1
    assert "athena: stopped" in stack.log
    assert "killed" not in stack.log
