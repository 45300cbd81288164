"""`athena check` on abilities whose answers depend on who shares their batch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from athena import cli

pytest.importorskip("onnxruntime")

HEAD = """\
import json
import random
from pathlib import Path
from athena.sdk import *

class Asked:
    numbers = StringBodyField(key="numbers", value=b"[0.5, -0.25, 0.75, 1.0]")

class Answered:
    result = StringBodyField(key="result")

def answer(value):
    response, output = Response(), ResponseData(key="result")
    output.setData(json.dumps(value))
    response.list = [output]
    return response

def read(inputs):
    return json.loads(inputs.get("numbers").data)

class Wrapper(WrapperBase):
    requestCls = Asked()
    responseCls = Answered()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        return answer(self.compute([read(reqData)])[0])

    def wrapperBatchExec(self, params_list, req_list):
        return [answer(item) for item in self.compute([read(inputs) for inputs in req_list])]

    def compute(self, rows):
        return [[2 * number for number in row] for row in rows]
"""

#: One line of the good wrapper, and what takes its place in a wrong one.
BATCH = "return [answer(item) for item in self.compute([read(inputs) for inputs in req_list])]"
SORTING = "return [answer(item) for item in self.compute(sorted(map(read, req_list)))]"
SHORT = "return self._all(req_list)[:-1]"
RAISING = (
    "assert len(req_list) == 1, 'shapes differ'; return [self.wrapperOnceExec(params_list[0], req_list[0])]"
)
COMPUTE = "return [[2 * number for number in row] for row in rows]"
VARYING = "return [[random.random() for number in row] for row in rows]"
DEAF = "return [[1.0] for row in rows]"
HALF = "return [[(2 + 0.05 * (len(rows) > 1)) * number for number in row] for row in rows]"

MODEL = """
    def wrapperInit(self, config):
        from athena.sdk import onnx
        self.model = onnx.open_session(Path(__file__).parent / "model.onnx")
        return 0

    def compute(self, rows):
        import numpy
        (found,) = self.model.run({"x": numpy.array(rows, numpy.float32)})
        return found.tolist()
"""


def dynamic_model(path: Path) -> None:
    """Writes a layer whose activations become int8, with one scale for the batch."""
    weights = np.random.default_rng(7).normal(size=(4, 8))
    scale = np.abs(weights).max() / 127
    given = {
        "w": np.round(weights / scale).astype(np.int8),
        "scale": np.array(scale, np.float32),
        "zero": np.array(0, np.int8),
    }
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "q_scale", "q_zero"]),
        helper.make_node("MatMulInteger", ["q", "w", "q_zero", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["q_scale", "scale"], ["both"]),
        helper.make_node("Mul", ["numbers", "both"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [onnx.numpy_helper.from_array(array, name) for name, array in given.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def check(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, worker: str = "max_batch = 8"
) -> tuple[int, dict[str, Any]]:
    """Returns the exit status and the findings by their rule, but for the absence of an example."""
    (folder / "wrapper.py").write_text(source)
    (folder / "ability.toml").write_text(f"[worker]\nslots = 16\n{worker}\n")
    status = cli.main(["check", str(folder), "--json"])
    findings = {item["rule"]: item for item in json.loads(capsys.readouterr().out)["findings"]}
    findings.pop("no-example")
    return status, findings


def line_of(source: str, text: str) -> int:
    return source[: source.index(text)].count("\n") + 1


def test_batches_that_change_nothing_are_without_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, capsys, HEAD) == (0, {})


@pytest.mark.parametrize(
    ("old", "new", "rule", "severity", "text"),
    [
        (BATCH, SORTING, "batch-order", "error", "request got the answer of the"),
        (BATCH, SHORT, "batch-count", "error", "wrapperBatchExec returned 1 items for 2 jobs"),
        (BATCH, RAISING, "batch-raises", "warning", "shapes differ"),
        (COMPUTE, HALF, "batch-differs", "error", "differs by 0.0244 of its largest number"),
        (COMPUTE, VARYING, "batch-unproven", "note", "another answer each time"),
        (COMPUTE, DEAF, "batch-unproven", "note", "all have the same answer"),
    ],
)
def test_each_wrong_batch_is_named_with_its_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    rule: str,
    severity: str,
    text: str,
) -> None:
    source = HEAD.replace(old, new) + (
        "\n    def _all(self, req_list):\n        " + BATCH + "\n" if new == SHORT else ""
    )

    status, findings = check(tmp_path, capsys, source)

    assert findings.keys() == {rule}
    assert text in findings[rule]["text"]
    assert findings[rule]["severity"] == severity
    assert findings[rule]["line"] == line_of(source, "def wrapperBatchExec")
    assert status == (1 if severity == "error" else 0)


def test_dynamic_quantisation_is_found_by_its_answers_and_by_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dynamic_model(tmp_path / "model.onnx")

    status, findings = check(tmp_path, capsys, HEAD + MODEL)

    assert (status, set(findings)) == (1, {"batch-differs", "batch-quantised"})
    assert findings["batch-quantised"]["file"] == str(tmp_path / "model.onnx")
    assert "the quiet request in a batch of" in findings["batch-differs"]["text"]


def test_an_ability_may_say_how_much_it_lets_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worker = "max_batch = 8\nbatch_tolerance = 0.05"

    assert check(tmp_path, capsys, HEAD.replace(COMPUTE, HALF), worker) == (0, {})


def test_an_ability_that_does_not_batch_is_not_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, capsys, HEAD.replace(BATCH, SORTING), "max_batch = 1") == (0, {})
