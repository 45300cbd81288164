"""The small model that shows whether a device computes."""

import sys
from types import SimpleNamespace
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from workers.tools.trial import MODEL, SIDE_IN, SIDE_OUT, run_trial

pytest.importorskip("onnxruntime")


def test_model_is_the_one_that_is_meant() -> None:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 3, 3], [1.0] * 9)
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, SIDE_IN, SIDE_IN])
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, SIDE_OUT, SIDE_OUT])
    graph = helper.make_graph(nodes, "trial", [given], [found], [weights])

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    assert onnx.load_from_string(MODEL) == model


def test_cpu_computes_it() -> None:
    trial = run_trial(wants_gpu=False)

    assert (trial.used, trial.is_right, trial.error) == (("CPUExecutionProvider",), True, "")
    assert trial.version and "CPUExecutionProvider" in trial.available


def test_build_without_cuda_says_that_the_cpu_did_it() -> None:
    trial = run_trial(wants_gpu=True)

    if "CUDAExecutionProvider" not in trial.available:
        assert trial.used == ("CPUExecutionProvider",)


def test_onnxruntime_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    trial = run_trial(wants_gpu=False)

    assert (trial.version, trial.is_right) == ("", False)
    assert trial.error.startswith("onnxruntime cannot be imported: ")


def test_session_that_does_not_open_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA failure 100: no CUDA-capable device\nsecond line")

    stand_in = SimpleNamespace(
        __version__="1.99",
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        SessionOptions=SimpleNamespace,
        InferenceSession=refuse,
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", stand_in)

    trial = run_trial(wants_gpu=True)

    assert trial.error == "CUDA failure 100: no CUDA-capable device"
    assert (trial.version, trial.used, trial.is_right) == ("1.99", (), False)
