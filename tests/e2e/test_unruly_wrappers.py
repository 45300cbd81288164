"""What a wrapper says and does to its process: its own job may fail, nobody else's, and no worker dies."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from athena import cli
from tests.e2e.conftest import ROOT, Stack, serving, wait_until

pytestmark = pytest.mark.e2e

WILL_NOT_START = """
from athena.sdk import WrapperBase

class Wrapper(WrapperBase):
    def wrapperInit(self, config):
        raise RuntimeError("no model named \\ud83d\\x1b[2J")

    def wrapperOnceExec(self, params, reqData):
        return None
"""


@pytest.fixture(scope="module")
def unruly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The ability `unruly`, and two that do not start."""
    folder = tmp_path_factory.mktemp("unruly")
    (folder / "silent").mkdir()
    (folder / "silent" / "wrapper.py").write_text(WILL_NOT_START)
    (folder / "siblings").mkdir()
    (folder / "siblings" / "wrapper.py").write_text("from celery import tasks_of_mine\n")
    (folder / "siblings" / "celery.py").write_text("tasks_of_mine = 1\n")
    unruly = ROOT / "tests" / "abilities" / "unruly"
    with serving(folder, unruly, folder / "silent", folder / "siblings") as running:
        yield running


def ask(stack: Stack, mode: str) -> tuple[int, str]:
    """Returns the code and the message of the answer, or its text."""
    request = {
        "header": {"app_id": "test", "status": 3},
        "parameter": {"unruly": {"mode": mode}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }
    body: Any = stack.post("/unruly", request).json()
    if body["header"]["code"]:
        return body["header"]["code"], body["header"]["message"]
    return 0, base64.b64decode(body["payload"]["text"]["text"]).decode()


@pytest.fixture
def worker(unruly: Stack) -> Iterator[str]:
    """The process id of the worker, which has to be the same after the test."""
    before = ask(unruly, "fine")
    assert before[0] == 0
    yield before[1]
    assert ask(unruly, "fine") == before


@pytest.mark.parametrize(
    ("mode", "code", "message"),
    [
        ("surrogate", 10909, "ValueError: unknown token \\ud83d"),
        ("code", 10909, "half of an emoji: \\ud83d;code=7"),
        ("control", 10909, "ValueError: \\x1b[2J INFO nothing happened\\x00"),
        ("without_text", 10909, "WithoutText: WithoutText whose text cannot be had (TypeError)"),
    ],
)
def test_a_text_that_cannot_be_written_fails_its_own_job(
    unruly: Stack, worker: str, mode: str, code: int, message: str
) -> None:
    assert ask(unruly, mode) == (code, message)


def test_a_long_text_is_cut_in_answer_and_log(unruly: Stack, worker: str) -> None:
    before = len(unruly.log)

    code, message = ask(unruly, "big")

    assert (code, message[:20]) == (10909, "ValueError: xxxxxxxx")
    assert message.endswith("… (20971520 characters)")
    assert len(message) < 2100
    assert len(unruly.log) - before < 50_000


def failure_of(stack: Stack, service_id: str) -> str:
    """Returns why an ability has no worker, once the gateway knows it: it looks about once a second."""

    def told() -> Any:
        listed = stack.get("/v1/abilities").json()["abilities"]
        return next((item["failure"] for item in listed if item["service_id"] == service_id), None)

    return str(wait_until(told, 30, f"why {service_id} does not start"))


def test_an_ability_that_cannot_be_written_says_why_it_does_not_start(unruly: Stack) -> None:
    failure = failure_of(unruly, "silent")

    reason = "wrapperInit raised RuntimeError: no model named \\ud83d\\x1b[2J"
    assert failure == f"{reason} (wrapper.py:6 in wrapperInit)"
    assert f"athena: ability silent: {failure}" in unruly.log
    assert "\x1b" not in unruly.log


@pytest.mark.parametrize("mode", ["surrogate", "without_text", "code", "exit"])
def test_an_odd_item_of_a_batch_fails_alone(unruly: Stack, worker: str, mode: str) -> None:
    with ThreadPoolExecutor(3) as callers:
        odd, *others = callers.map(lambda item: ask(unruly, item), [mode, "fine", "fine"])

    assert odd[0] in (10106, 10909)
    assert others == [(0, worker), (0, worker)]


@pytest.mark.parametrize("mode", ["alarm", "timers", "words_to_itself", "forks", "interrupt"])
def test_a_signal_that_a_wrapper_asks_for_ends_nothing(unruly: Stack, worker: str, mode: str) -> None:
    assert ask(unruly, mode) == (0, worker)


def test_a_module_with_a_taken_name_is_named(unruly: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    failure = failure_of(unruly, "siblings")
    folder = failure.partition("/wrapper.py, line 1: ")[0]

    status = cli.main(["check", folder, "--json"])

    findings = json.loads(capsys.readouterr().out)["findings"]
    (finding,) = (item for item in findings if item["rule"] == "taken-name")
    assert failure == f"{finding['file']}, line {finding['line']}: {finding['text']}; {finding['remedy']}"
    assert finding["text"] == (
        f"imports 'celery', which is {folder}/celery.py here, and another module to the worker itself"
    )
    assert (status, finding["severity"]) == (1, "error")


def test_asyncio_has_a_loop_in_each_call(unruly: Stack, worker: str) -> None:
    assert [ask(unruly, "loop") for _ in range(2)] == [(0, worker)] * 2


LINES = ("a line to standard output", "a line to standard error", "a line of the wrapper's own logger")


@pytest.mark.parametrize(
    "mode",
    [
        "leaves_its_folder",
        "closes_streams",
        "replaces_streams",
        "closes_descriptors",
        "configures_logs",
        "changes_the_process",
        "closes_its_loop",
    ],
)
def test_what_a_job_does_to_its_process_does_not_stay(unruly: Stack, worker: str, mode: str) -> None:
    before = ask(unruly, "look")
    assert before[0] == 0
    counts = {line: unruly.log.count(line) for line in (*LINES, "wrapperOnceExec raised")}

    assert ask(unruly, mode) == (0, worker)

    assert ask(unruly, "look") == before
    assert ask(unruly, "surrogate")[0] == 10909

    def missing() -> list[str]:
        return [line for line, count in counts.items() if unruly.log.count(line) <= count]

    wait_until(lambda: not missing(), 30, f"lines that the log must have: {missing()}")
