"""What ONNX Runtime says of models and inputs that are wrong, and what is made of it."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
from onnx import TensorProto, helper, numpy_helper

from athena.sdk import onnx

pytest.importorskip("onnxruntime")


def model(path: Path, op: str = "Relu", opset: int = 13, ir: int = 8, domain: str = "") -> Path:
    """Writes a model of one operator."""
    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"], domain=domain)], "g", [given], [found])
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx_format.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir), path)
    return path


def with_second_file(path: Path) -> Path:
    """Writes a model whose weights lie in `weights.data` beside it."""
    weights = numpy_helper.from_array(np.ones((40, 40), np.float32), "w")
    given, found = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 40]) for name in "xy")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [given], [found], [weights]
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx_format.save(whole, path, save_as_external_data=True, location="weights.data", size_threshold=0)
    return path


def without_weights(path: Path) -> Path:
    with_second_file(path)
    (path.parent / "weights.data").unlink()
    return path


def with_cut_weights(path: Path) -> Path:
    with_second_file(path)
    os.truncate(path.parent / "weights.data", 4)
    return path


def with_weights_outside(path: Path) -> Path:
    found = onnx_format.load(without_weights(path), load_external_data=False)
    for entry in found.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = "../weights.data"
    path.write_bytes(found.SerializeToString())
    return path


def cut(path: Path) -> Path:
    data = model(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def pointer(path: Path) -> Path:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n")
    return path


@pytest.mark.parametrize(
    ("make", "said", "remedy"),
    [
        (lambda path: model(path, opset=99), "Opset 99 is under development", "a smaller opset_version"),
        (lambda path: model(path, ir=99), "Unsupported model IR version: 99", "a newer onnxruntime"),
        (lambda path: model(path, "Nope"), "No Op registered for Nope", "custom_ops"),
        (lambda path: model(path, "Nope", domain="com.acme"), "com.acme:Nope", "custom_ops"),
        (without_weights, "External data path does not exist", "beside the model"),
        (with_cut_weights, "can not be read in full", "whole, beside the model"),
        (with_weights_outside, "escapes model directory", "beside the model and save"),
        (cut, "Protobuf parsing failed", "cut off or no ONNX file"),
        (pointer, "a pointer of git-lfs", "git lfs pull"),
    ],
)
def test_model_that_cannot_be_opened_is_named_with_the_remedy(
    tmp_path: Path, make: Any, said: str, remedy: str
) -> None:
    path = make(tmp_path / "the_model.onnx")

    with pytest.raises(onnx.ModelFileError) as caught:
        onnx.open_session(path)

    text = str(caught.value)
    assert text.startswith(f"model {path} cannot be loaded (")
    assert said in text and remedy in text
    assert "onnxruntime_src" not in text and "\n" not in text


@pytest.mark.parametrize(
    ("inputs", "outputs", "said", "given"),
    [
        ({"x": np.zeros((1, 4))}, None, "64 bits unless a type is named", "given x float64 [1, 4]"),
        ({"x": np.zeros((1, 3), np.float32)}, None, "into the shape of the input", "given x float32 [1, 3]"),
        ({"z": np.zeros(4, np.float32)}, None, "Required inputs (['x'])", "given z float32 [4]"),
        ({}, None, "Required inputs (['x'])", "given nothing"),
        ({"x": None}, None, "Missing Input: x", "given x a NoneType"),
        ({"x": np.zeros((1, 4), np.float32)}, ["q"], "Invalid output name:q", "given x float32 [1, 4]"),
    ],
)
def test_run_that_fails_names_model_inputs_and_what_was_given(
    tmp_path: Path, inputs: dict[str, Any], outputs: list[str] | None, said: str, given: str
) -> None:
    session = onnx.open_session(model(tmp_path / "the_model.onnx"))

    with pytest.raises(onnx.OnnxError) as caught:
        session.run(inputs, outputs)

    text = str(caught.value)
    assert text.startswith(f"model {tmp_path / 'the_model.onnx'} cannot be run: ")
    assert said in text
    assert text.endswith(f"its inputs are x tensor(float) ['n', 4]; it was {given}")


def test_a_text_is_no_list_of_outputs(tmp_path: Path) -> None:
    session = onnx.open_session(model(tmp_path / "the_model.onnx"))

    with pytest.raises(onnx.OnnxError, match="as a list of names, not as 'y'"):
        session.run({"x": np.zeros((1, 4), np.float32)}, "y")


def test_library_of_operators_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(onnx.OnnxError, match=r"no\.so.*; install the library that is named"):
        onnx.open_session(model(tmp_path / "the_model.onnx"), custom_ops=[tmp_path / "no.so"])


def test_model_may_come_as_bytes_and_with_options(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 3

    session = onnx.open_session(
        model(tmp_path / "m.onnx").read_bytes(), options=options, warm_up={"x": (1, 4)}
    )

    assert session.run({"x": np.full((1, 4), -1, np.float32)})[0].tolist() == [[0, 0, 0, 0]]
    assert session.types == {"x": "tensor(float)"}
    assert options.intra_op_num_threads == 3
    with pytest.raises(onnx.OnnxError, match="a model from memory cannot be run"):
        session.run({})


def voice_model(path: Path) -> Path:
    """Writes a model with a rate as input, and a half as another, as models of voices have."""
    infos = [("rate", TensorProto.INT64, []), ("x", TensorProto.FLOAT16, ["n"])]
    given = [helper.make_tensor_value_info(*info) for info in infos]
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["n"])
    nodes = [
        helper.make_node("Cast", ["rate"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Mul", ["x", "half"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "voice", given, [found])
    onnx_format.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path
    )
    return path


@pytest.mark.parametrize("rate", [16000, np.array(8000)])
def test_warm_up_takes_values_beside_shapes(tmp_path: Path, rate: Any) -> None:
    session = onnx.open_session(voice_model(tmp_path / "voice.onnx"), warm_up=[{"rate": rate, "x": (8,)}])

    with pytest.raises(onnx.OnnxError, match=r"with rate 16000, x \[8, 2\] failed: .*Invalid rank"):
        session.warm_up({"rate": 16000, "x": (8, 2)})
