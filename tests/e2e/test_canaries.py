"""`worker.canary_s`: the example goes through the queue at intervals, and readiness means its answer."""

import base64
import json
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
    serviceId = "parrot"
    requestCls = Request()
    responseCls = Answer()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        text = reqData.get("text").data.decode()
        with (HERE / "calls").open("a") as log:
            log.write(text + "\\n")
        item = ResponseData(key="text")
        item.setData("garbage" if (HERE / "garbage").exists() else text)
        response = Response()
        response.list = [item]
        return response
"""

TOML = """
service_id = "parrot"

[worker]
canary_s = 1

[limits]
max_exec_s = 5
"""


OPERATOR = {"Authorization": "Bearer a-token-of-operators"}


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def request(text: str) -> dict[str, Any]:
    return {"header": {"app_id": "test", "status": 3}, "payload": {"text": {"text": coded(text)}}}


class Parrot:
    """A stack that serves an ability which can be told to answer garbage."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.garbage = folder / "garbage"
        self._calls = folder / "calls"

    def ability(self) -> Any:
        return self.stack.get("/v1/abilities/parrot").json()

    def canaries(self) -> int:
        return self._calls.read_text().splitlines().count("canary")

    def metric(self, name: str) -> float | None:
        lines = self.stack.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f'{name}{{service_id="parrot"}}')]
        return float(found[0].rpartition(" ")[2]) if found else None


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parrot]:
    home = tmp_path_factory.mktemp("canaries")
    folder = home / "parrot"
    folder.mkdir()
    (folder / "wrapper.py").write_text(WRAPPER)
    (folder / "ability.toml").write_text(TOML)
    # With an id of its own, which must not make one job of all of them.
    example = request("canary")
    example["header"]["request_id"] = "the-example"
    (folder / "example.json").write_text(json.dumps(example))
    (folder / "golden.json").write_text(json.dumps({"text": {"text": coded("canary")}}))
    with serving(home, folder, ATHENA_ADMIN_TOKEN="a-token-of-operators") as stack:
        yield Parrot(stack, folder)


def test_example_goes_through_the_queue_again_and_again_and_is_no_users_job(parrot: Parrot) -> None:
    # The first is that of the worker's start.
    wait_until(lambda: parrot.canaries() >= 4, 60, "canaries")

    canary = wait_until(lambda: parrot.ability()["canary"], 30, "it is told how it fared")
    assert canary["ok"] and canary["failures"] == 0 and canary["detail"] is None
    assert parrot.metric("athena_canary_ok") == 1
    assert parrot.metric("athena_canary_seconds") is not None
    assert parrot.stack.get("/readyz").json()["canaries_failing"] == {}
    listed = parrot.stack.get("/v1/jobs").json()["jobs"]
    assert listed == []


def test_wrong_answer_makes_the_gateway_unready_until_it_is_right_again(parrot: Parrot) -> None:
    stack = parrot.stack
    parrot.garbage.touch()

    wait_until(lambda: stack.get("/readyz").status_code == 503, 60, "not ready")
    readiness = stack.get("/readyz")
    assert readiness.headers["Retry-After"]
    told = readiness.json()
    assert told["checks"].pop("canaries") is False and all(told["checks"].values())
    assert "golden.json at /text/text" in told["canaries_failing"]["parrot"]
    assert "parrot.cpu.0@" in told["canaries_failing"]["parrot"]
    described = parrot.ability()
    assert described["reason"] == "canary_failing" and not described["canary"]["ok"]
    assert parrot.metric("athena_canary_ok") == 0
    # Jobs are still taken: what to do about it is for operators.
    assert stack.post("/parrot", request("hello")).status_code == 200
    assert "does not answer its example" in stack.log

    parrot.garbage.unlink()
    wait_until(lambda: stack.get("/readyz").status_code == 200, 60, "ready again")
    assert parrot.ability()["reason"] is None
    assert {job["state"] for job in stack.get("/v1/jobs").json()["jobs"]} <= {"succeeded"}


def test_paused_queue_is_no_failure(parrot: Parrot) -> None:
    stack = parrot.stack
    assert stack.post("/v1/admin/queues/parrot/pause", {}, headers=OPERATOR).status_code == 200
    try:
        job_id = stack.submit("parrot", request("later"))
        before = parrot.canaries()
        # Longer than two of them take that fail.
        wait_until(
            lambda: stack.job(job_id, 3)["reason"].startswith("queue_paused"), 30, "the queue is paused"
        )
        assert stack.get("/readyz").status_code == 200
        assert parrot.canaries() <= before + 1
    finally:
        assert stack.post("/v1/admin/queues/parrot/resume", {}, headers=OPERATOR).status_code == 200
    stack.wait_state(job_id, "succeeded")
