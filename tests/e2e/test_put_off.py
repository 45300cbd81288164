"""`[retry]` of ability.toml: the caller of a wrapper whose upstream was away gets his answer all the same."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Stack, serving, wait_until

pytestmark = pytest.mark.e2e

WRAPPER = """
import os
from pathlib import Path

from athena.sdk import Response, ResponseData, StringBodyField, WrapperBase

HERE = Path(__file__).parent


class Request:
    text = StringBodyField(key="text")


class Answer:
    text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    serviceId = "relay"
    requestCls = Request()
    responseCls = Answer()

    def wrapperInit(self, config):
        return 0

    def wrapperError(self, code):
        return "upstream is busy"

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        text = reqData.get("text").data.decode()
        word, _, times = text.partition(" ")
        with (HERE / f"calls-{word}").open("a+") as log:
            log.write("x")
            log.seek(0)
            count = len(log.read())
        response = Response()
        if word == "bad":
            raise ValueError("nobody can read this")
        if word == "kill":
            os._exit(9)
        if count <= int(times or 0):
            if word == "code":
                return response.response_err(1234)
            raise ConnectionRefusedError("upstream is away")
        item = ResponseData(key="text")
        item.setData(text)
        response.list = [item]
        return response
"""

TOML = """
service_id = "relay"

[retry]
errors = ["ConnectionError", "1234"]
max_runs = 3
backoff_s = 0.2

[limits]
max_attempts = 2
"""


def request(text: str) -> dict[str, Any]:
    coded = base64.b64encode(text.encode()).decode()
    return {"header": {"app_id": "test", "status": 3}, "payload": {"text": {"text": coded}}}


class Relay:
    """A stack that serves an ability whose upstream may be away."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self._folder = folder

    def calls(self, word: str) -> int:
        return len((self._folder / f"calls-{word}").read_text())


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    home = tmp_path_factory.mktemp("retry")
    folder = home / "relay"
    folder.mkdir()
    (folder / "wrapper.py").write_text(WRAPPER)
    (folder / "ability.toml").write_text(TOML)
    with serving(home, folder) as stack:
        yield Relay(stack, folder)


@pytest.mark.parametrize("word", ["raise", "code"])
def test_caller_who_waits_gets_the_answer_of_a_later_run(relay: Relay, word: str) -> None:
    answer = relay.stack.post("/relay", request(f"{word} 2"))

    assert answer.status_code == 200, answer.text
    assert relay.calls(word) == 3


def test_runs_are_counted_and_the_last_failure_stands(relay: Relay) -> None:
    job_id = relay.stack.submit("relay", request("always 99"))

    def retries() -> float:
        lines = relay.stack.get("/metrics").text.splitlines()
        (found,) = (line for line in lines if line.startswith('athena_job_retries_total{service_id="relay"}'))
        return float(found.rpartition(" ")[2])

    job = relay.stack.wait_state(job_id, "failed", 60)
    assert job["attempts"] == relay.calls("always") == 3
    assert "ConnectionRefusedError" in job["last_failure"]
    answer = relay.stack.get(f"/v1/jobs/{job_id}").json()
    assert "upstream is away" in answer["header"]["message"]
    wait_until(lambda: retries() >= 2, 30, "retries are counted")


def test_other_failure_is_told_at_once(relay: Relay) -> None:
    answer = relay.stack.post("/relay", request("bad"))

    assert answer.status_code == 502
    assert relay.calls("bad") == 1


def test_poison_is_a_dead_letter_all_the_same(relay: Relay) -> None:
    job_id = relay.stack.submit("relay", request("kill"))

    job = relay.stack.wait_state(job_id, "poisoned", 90)
    assert (job["attempts"], job["deaths"]) == (2, 2)
    assert relay.calls("kill") == 2
