"""Sessions that map their weights: the same answers, whatever the operators."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

from athena.sdk import device, onnx
from athena.sdk.device import Device
from athena.sdk.onnx import copies
from workers.runtime.sessions.share import MODULE, SessionShare

ROOT = Path(__file__).parents[4]
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(autouse=True)
def sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process shares models of any size in a folder."""
    folder = tmp_path / "models"
    monkeypatch.setattr(copies.Copies.__init__, "__defaults__", (1,))
    device.assign(Device("cpu", threads=1, model_folder=str(folder)))
    yield folder
    device.assign(Device())


def weights(*shape: int) -> Any:
    return (np.random.default_rng(len(shape)).standard_normal(shape) * 0.1).astype("float32")


def save(path: Path, nodes: list[Any], inits: dict[str, Any], shape: list[Any], kind: int = FLOAT) -> None:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(value, name) for name, value in inits.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"labels": "a,b"})
    onnx_format.save(model, path)


def gemm(path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    save(path, [node], {"w": weights(64, 128), "b": weights(64)}, ["n", 128])


def convolution(path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("ConvTranspose", ["b", "v"], ["y"]),
    ]
    save(path, nodes, {"w": weights(32, 16, 3, 3), "v": weights(32, 8, 3, 3)}, ["n", 16, 12, 12])


def recurrent(path: Path) -> None:
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=64)
    save(path, [node], {"w": weights(1, 256, 32), "r": weights(1, 256, 64)}, ["t", 3, 32])


def half(path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    save(path, [node], {"w": weights(128, 64).astype("float16")}, ["n", 128], HALF)


def quantised(path: Path) -> None:
    plain = path.with_name("plain.onnx")
    gemm(plain)
    quantize_dynamic(plain, path)


def with_second_file(path: Path) -> None:
    gemm(path)
    onnx_format.save(
        onnx_format.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=1
    )


@pytest.mark.parametrize("make", [gemm, convolution, recurrent, half, quantised, with_second_file])
def test_answers_are_the_same_to_the_last_bit(
    tmp_path: Path, sharing: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "model.onnx"
    make(path)

    shared = onnx.open_session(path)
    again = onnx.open_session(path)
    plain = onnx.open_session(path, shares_weights=False)

    assert list(sharing.glob("model-*/model.onnx"))
    assert (shared.inputs, shared.types, shared.outputs) == (plain.inputs, plain.types, plain.outputs)
    assert shared.metadata == plain.metadata
    shape = [size if isinstance(size, int) else 5 for size in plain.inputs["x"]]
    given = weights(*shape).astype("float16" if make is half else "float32")
    for session in (shared, again):
        assert [found.tolist() for found in session.run({"x": given})] == [
            found.tolist() for found in plain.run({"x": given})
        ]


def test_digits_answer_the_same(sharing: Path) -> None:
    path = ROOT / "examples" / "digits" / "model.onnx"
    shared, plain = onnx.open_session(path), onnx.open_session(path, shares_weights=False)
    pictures = np.random.default_rng(1).random((16, 64)).astype("float32")
    (name,) = plain.inputs

    assert list(sharing.glob("model-*"))
    assert [item.tolist() for item in shared.run({name: pictures})] == [
        item.tolist() for item in plain.run({name: pictures})
    ]


def test_processes_map_the_same_file(tmp_path: Path, sharing: Path) -> None:
    gemm(tmp_path / "model.onnx")

    session = onnx.open_session(tmp_path / "model.onnx")

    (mapped,) = sharing.glob("model-*/model.onnx.weights")
    assert str(mapped) in Path("/proc/self/maps").read_text()
    assert session.outputs == ("y",)


@pytest.mark.parametrize("why", ["nobody to share with", "bytes", "own options", "own operators"])
def test_model_is_opened_as_it_is(tmp_path: Path, sharing: Path, why: str) -> None:
    path = tmp_path / "model.onnx"
    gemm(path)
    given: dict[str, Any] = {}
    if why == "nobody to share with":
        device.assign(Device("cpu", threads=1))
    if why == "own options":
        given["options"] = onnxruntime.SessionOptions()
    if why == "own operators":
        given["custom_ops"] = ["/no/such/library.so"]

    if why == "own operators":
        with pytest.raises(onnx.OnnxError, match="operators"):
            onnx.open_session(path, **given)
    else:
        onnx.open_session(path.read_bytes() if why == "bytes" else path, **given)

    assert not sharing.exists()


def test_copy_that_cannot_be_opened_is_made_anew(
    tmp_path: Path, sharing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.onnx"
    gemm(path)
    onnx.open_session(path)
    (copy,) = sharing.glob("model-*/model.onnx")
    copy.write_bytes(b"\0" * copy.stat().st_size)

    # The size is right, so only onnxruntime sees it.
    onnx.open_session(path)
    assert "are not shared" in caplog.text
    assert not copy.exists()

    onnx.open_session(path)
    assert copy.exists()


def test_damaged_model_is_told_of_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")

    with pytest.raises(onnx.ModelFileError, match=f"model {path} cannot be loaded"):
        onnx.open_session(path)


def test_session_that_only_writes_is_not_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gemm(tmp_path / "model.onnx")
    share = SessionShare()
    module = sys.modules[MODULE]
    plain = module.InferenceSession.__init__
    share.adopt(module)
    try:
        onnx.open_session(tmp_path / "model.onnx")
    finally:
        module.InferenceSession.__init__ = plain

    assert [str(item) for item in share.opened] == ["model.onnx: 1 thread, CPU"]
    assert "a copy that workers share" in caplog.text
