"""Wrappers of all kinds, served as they are."""

import base64
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Stack, wait_until
from tests.ports import free_port

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
    reason = "wrapperInit raised RuntimeError: model.onnx is missing; run make model"
    why = f"{reason} (wrapper.py:6 in wrapperInit)"

    entry = {"service_id": "broken", "workers": [], "failure": why, "reason": "worker_failing"}
    # Gateways look once a second.
    wait_until(lambda: entry in mixed.get("/v1/abilities").json()["abilities"], 30, "the gateway knows it")
    answer = mixed.post("/broken", text_request("broken"))

    assert f"athena: ability broken: {why}" in mixed.log
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
    # Gateways look once a second.
    described = "/v1/abilities/broken"
    wait_until(lambda: stack.get(described).json()["failure"] is None, 30, "the failure is forgotten")


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


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Wrappers of several generations of the SDK, none of which knows of Athena."""
    names = ("v1_style", "sdk_0_1_8", "sdk_async")
    folders = [ROOT / "tests" / "abilities" / name for name in names]
    arguments = [part for folder in folders for part in ("--ability", str(folder))]
    running = Stack(tmp_path_factory.mktemp("generations"), free_port(), free_port(), *arguments)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("service_id", "path", "params", "answer"),
    [
        ("v1_style", "/v1_style", {"turn": "round"}, "olleh"),
        ("v1_style", "/v1/private/v1_style", {}, "hello"),
        ("old", "/old", {"p1": "round"}, "olleh"),
        ("old", "/backup.0/private/old", {"p1": "plain"}, "hello"),
        ("later", "/later", {}, "HELLO"),
    ],
)
def test_a_wrapper_of_any_generation_is_served_as_it_is(
    generations: Stack, service_id: str, path: str, params: dict[str, str], answer: str
) -> None:
    request = text_request(service_id)
    request["parameter"] = {service_id: {**params, "result": {"format": "plain"}}}

    result = generations.post(path, request).json()["payload"]["result"]

    assert base64.b64decode(result["text"]).decode() == answer


@pytest.mark.parametrize(
    ("service_id", "text", "code", "message"),
    [
        ("v1_style", "", 10909, "the text is empty;code=100"),
        ("later", "ZW1wdHk=", 10910, "the text is empty;code=100"),
    ],
)
def test_a_code_of_the_wrapper_is_explained_in_its_own_words(
    generations: Stack, service_id: str, text: str, code: int, message: str
) -> None:
    request = text_request(service_id, text)
    request["parameter"] = {service_id: {}}

    answer = generations.post(f"/{service_id}", request)

    assert answer.status_code == 502
    assert (answer.json()["header"]["code"], answer.json()["header"]["message"]) == (code, message)


def test_abilities_of_all_generations_are_described(generations: Stack) -> None:
    document = generations.get("/openapi.json").json()
    listed = {item["service_id"]: item for item in generations.get("/v1/abilities").json()["abilities"]}

    assert set(listed) == {"v1_style", "old", "later"}
    assert listed["old"]["version"] == "backup.0"
    assert {f"/v1/private/{name}" for name in ("v1_style", "old", "later")} <= document["paths"].keys()


def test_jobs_that_answer_by_callback_run_side_by_side(generations: Stack) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(
            clients.map(
                lambda number: generations.post("/later", text_request_of("later", f"text {number}")).json(),
                range(64),
            )
        )

    texts = [base64.b64decode(answer["payload"]["result"]["text"]).decode() for answer in answers]
    assert texts == [f"TEXT {number}" for number in range(64)]


def text_request_of(service_id: str, text: str) -> dict[str, object]:
    request = text_request(service_id, base64.b64encode(text.encode()).decode())
    request["parameter"] = {service_id: {}}
    return request
