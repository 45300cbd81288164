"""The log of one Athena: what happened to a job, read over all processes."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from athena import cli
from tests.e2e.conftest import ECHO, FAULTY, Stack, example, faulty_request, serving, wait_until

pytestmark = pytest.mark.e2e

#: Opens a session by itself, of a model of which ONNX Runtime says something with each run.
DOUBTFUL = """
import numpy
import onnxruntime
from athena.sdk import Response, StringBodyField, WrapperBase, answer

class Asked:
    text = StringBodyField(key="text")

class Answered:
    size = StringBodyField(key="size")

class Wrapper(WrapperBase):
    requestCls, responseCls = Asked(), Answered()

    def wrapperInit(self, config):
        self.session = onnxruntime.InferenceSession("model.onnx")
        return 0

    def wrapperOnceExec(self, params, reqData):
        (found,) = self.session.run(None, {"x": numpy.ones((2, 2), numpy.float32)})
        return answer(size=str(found.size))
"""


def write_doubtful(folder: Path) -> Path:
    """Writes an ability whose model returns more rows than it says."""
    folder.mkdir()
    (folder / "wrapper.py").write_text(DOUBTFUL)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [given], [found])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(whole, folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Writes JSON, and a line for each request."""
    folder = tmp_path_factory.mktemp("logged")
    doubtful = write_doubtful(folder / "doubtful")
    with serving(folder, FAULTY, ECHO, doubtful, ATHENA_LOG_FORMAT="json", ATHENA_ACCESS_LOG="on") as running:
        yield running


@pytest.fixture
def read(logged: Stack, capsys: pytest.CaptureFixture[str]) -> Any:
    """Returns what `athena logs` prints, as records."""

    def read_logs(*arguments: str) -> list[dict[str, Any]]:
        assert cli.main(["logs", "--json", "--data", str(logged.data_dir), *arguments]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return read_logs


def ran(stack: Stack, mode: str, state: str) -> str:
    job_id = stack.submit("faulty", faulty_request(mode=mode))
    stack.wait_state(job_id, state, 120)
    return job_id


def test_standard_error_is_json_with_time_process_and_words(logged: Stack) -> None:
    logged.post("/echo", example("echo"))
    # A gateway logs a request when it is answered, which the caller may know before.
    wait_until(lambda: '"status": 200' in logged.log, 30, "the request is logged")

    for line in logged.log.splitlines():
        record = json.loads(line)
        datetime.fromisoformat(record["ts"])
        assert record["process"] in ("supervisor", "gateway", "worker")
        assert record["msg"] and record["level"] and record["pid"]


def test_job_that_failed_is_told_by_the_gateway_and_the_worker(logged: Stack, read: Any) -> None:
    job_id = ran(logged, "raise", "failed")
    wait_until(lambda: len(read(job_id)) >= 2, 30, "both lines")

    access, failure = sorted(read(job_id), key=lambda record: str(record["process"]))
    assert (access["process"], access["status"], access["path"]) == ("gateway", 202, "/faulty")
    assert (access["client"], access["method"], access["ability"]) == ("127.0.0.1", "POST", "faulty")
    assert (failure["process"], failure["ability"], failure["attempt"]) == ("worker", "faulty", 1)
    assert failure["worker"].startswith("faulty.cpu.0@")
    assert "RuntimeError: the model is not in the mood" in failure["stack"]


def test_what_a_job_prints_is_its_own(logged: Stack, read: Any) -> None:
    job_id = ran(logged, "print", "succeeded")

    def prints() -> list[dict[str, Any]]:
        return [record for record in read(job_id) if record.get("stream") == "stdout"]

    printed = wait_until(prints, 30, "the line is there")
    assert [record["msg"] for record in printed] == ["printed by the wrapper"]
    assert printed[0]["ability"] == "faulty"


def test_what_onnx_runtime_says_of_a_run_is_of_its_job(logged: Stack, read: Any) -> None:
    body = {"header": {"app_id": "me", "status": 3}, "payload": {"text": {"text": "YQ==", "status": 3}}}
    job_id = logged.submit("doubtful", body)
    logged.wait_state(job_id, "succeeded", 60)

    (record,) = wait_until(
        lambda: [one for one in read(job_id) if one["level"] == "warning"], 30, "the line is there"
    )
    assert "does not match actual shape of {2,2}" in record["msg"]
    assert (record["process"], record["ability"], record["job_id"]) == ("worker", "doubtful", job_id)
    assert record["logger"].startswith("onnxruntime")
    assert "\x1b" not in logged.log
    assert "[W:onnxruntime" not in logged.log


def test_job_that_killed_its_workers_is_named_in_each_death(logged: Stack, read: Any) -> None:
    job_id = ran(logged, "os_exit", "poisoned")
    wait_until(lambda: len(deaths(read(job_id))) == 3, 60, "all deaths are told")

    told = deaths(read(job_id))
    assert [record["process"] for record in told] == ["supervisor"] * 3
    assert all("exit status 3" in record["msg"] for record in told)
    assert ["run again" in record["msg"] for record in told] == [True, True, False]
    assert told[-1]["job_ids"] == [job_id]


def deaths(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if " died (" in record["msg"]]


def test_query_of_a_request_is_in_no_line(logged: Stack, read: Any) -> None:
    logged.get("/v1/abilities?authorization=the-secret-of-a-caller")
    wait_until(lambda: any(record.get("path") == "/v1/abilities" for record in read()), 30, "it is logged")

    assert "the-secret-of-a-caller" not in logged.log + json.dumps(read())


def test_records_are_chosen_and_shown_for_people(
    logged: Stack, read: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = ran(logged, "raise", "failed")

    assert {record["ability"] for record in read("--ability", "faulty")} == {"faulty"}
    assert {record["level"] for record in read("--level", "error")} == {"error"}
    assert read("--since", "2999-01-01T00:00:00") == []
    assert cli.main(["logs", job_id, "--level", "error", "--data", str(logged.data_dir)]) == 0
    head, *rest = capsys.readouterr().out.splitlines()
    assert re.match(
        rf"\S+ ERROR   faulty\.cpu\.0@\S+ job {job_id}: job {job_id}: wrapperOnceExec raised", head
    )
    assert all(line.startswith("  ") for line in rest)
