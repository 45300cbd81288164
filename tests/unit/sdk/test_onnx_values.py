"""Inputs and outputs of models for which NumPy has no type, sequences, optional ones; and the stand-in."""

import threading
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto as Type
from onnx import ValueInfoProto, helper

from athena.sdk import onnx
from athena.sdk.onnx.values import UNHELD

runtime = pytest.importorskip("onnxruntime")


def saved(nodes: list[Any], inputs: list[ValueInfoProto], outputs: list[ValueInfoProto], opset: int) -> bytes:
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return bytes(whole.SerializeToString())


def tensor(name: str, kind: int = Type.FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["n", 2])


def casting(start: int, end: int) -> bytes:
    """Returns a model that changes the type of its input."""
    return saved(
        [helper.make_node("Cast", ["x"], ["y"], to=end)], [tensor("x", start)], [tensor("y", end)], 21
    )


def optional(inner: Any) -> bytes:
    """Returns a model that tells whether it was given its input."""
    given = helper.make_value_info("x", helper.make_optional_type_proto(inner))
    found = helper.make_tensor_value_info("y", Type.BOOL, [])
    return saved([helper.make_node("OptionalHasElement", ["x"], ["y"])], [given], [found], 18)


def counting() -> bytes:
    """Returns a model that counts what is in a sequence."""
    given = helper.make_tensor_sequence_value_info("x", Type.FLOAT, [None])
    found = helper.make_tensor_value_info("y", Type.INT64, [])
    return saved([helper.make_node("SequenceLength", ["x"], ["y"])], [given], [found], 18)


ODD = {
    "bfloat16": (Type.BFLOAT16, ml_dtypes.bfloat16),
    "float8e4m3fn": (Type.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "float8e4m3fnuz": (Type.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
    "float8e5m2": (Type.FLOAT8E5M2, ml_dtypes.float8_e5m2),
    "float8e5m2fnuz": (Type.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
}


@pytest.mark.parametrize("name", ODD)
def test_output_that_numpy_cannot_hold_is_an_ort_value_that_the_next_model_takes(name: str) -> None:
    number, _ = ODD[name]
    there = onnx.open_session(casting(Type.FLOAT, number), warm_up={"x": (3, 2)})
    back = onnx.open_session(casting(number, Type.FLOAT), warm_up={"x": (3, 2)})

    (found,) = there.run({"x": np.array([[1.0, -2.0]], np.float32)})

    assert isinstance(found, runtime.OrtValue)
    assert found.data_type() == f"tensor({name})"
    assert back.run({"x": found})[0].tolist() == [[1.0, -2.0]]


@pytest.mark.parametrize("name", ODD)
def test_array_of_ml_dtypes_is_an_input(name: str) -> None:
    number, kind = ODD[name]
    session = onnx.open_session(casting(number, Type.FLOAT))

    (found,) = session.run({"x": np.array([[1.0, -2.0], [4.0, 0.5]], kind)})

    assert found.tolist() == [[1.0, -2.0], [4.0, 0.5]]


def test_numbers_are_those_of_onnx() -> None:
    for kind, (number, _) in UNHELD.items():
        assert f"tensor({Type.DataType.Name(number).lower()})" == kind


@pytest.mark.parametrize("number", [Type.INT4, Type.UINT4])
def test_numbers_of_four_bits_can_be_warmed_up_and_handed_on(number: int) -> None:
    there = onnx.open_session(casting(Type.FLOAT, number), warm_up={"x": (1, 2)})
    back = onnx.open_session(casting(number, Type.FLOAT), warm_up={"x": (1, 2)})

    (found,) = there.run({"x": np.array([[1.0, 3.0]], np.float32)})

    assert back.run({"x": found})[0].tolist() == [[1.0, 3.0]]


def test_other_outputs_of_such_a_model_are_arrays() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["odd"], to=Type.BFLOAT16),
        helper.make_node("Relu", ["x"], ["plain"]),
    ]
    session = onnx.open_session(
        saved(nodes, [tensor("x")], [tensor("odd", Type.BFLOAT16), tensor("plain")], 21)
    )

    odd, plain = session.run({"x": np.array([[1.0, -2.0]], np.float32)})
    (alone,) = session.run({"x": np.array([[1.0, -2.0]], np.float32)}, ["plain"])

    assert odd.data_type() == "tensor(bfloat16)"
    assert plain.tolist() == alone.tolist() == [[1.0, 0.0]]


def test_texts_beside_such_an_output_are_told_of() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["number"], to=Type.FLOAT),
        helper.make_node("Cast", ["number"], ["y"], to=Type.BFLOAT16),
    ]
    session = onnx.open_session(saved(nodes, [tensor("x", Type.STRING)], [tensor("y", Type.BFLOAT16)], 21))

    with pytest.raises(onnx.OnnxError, match=r"NumPy has no type for was asked for, and x is no OrtValue"):
        session.run({"x": np.array([["1", "2"]], object)})


def test_wrong_input_is_told_with_what_was_given() -> None:
    session = onnx.open_session(casting(Type.FLOAT, Type.BFLOAT16))
    odd = onnx.open_session(casting(Type.BFLOAT16, Type.FLOAT))

    with pytest.raises(onnx.OnnxError, match=r"it was given x tensor\(bfloat16\) \[1, 2\]"):
        session.run({"x": session.run({"x": np.ones((1, 2), np.float32)})[0]})
    with pytest.raises(onnx.OnnxError, match=r"x tensor\(bfloat16\) .*it was given x float32 \[1, 2\]"):
        odd.run({"x": np.ones((1, 2), np.float32)})
    with pytest.raises(onnx.OnnxError, match=r"x is a tensor\(bfloat16\), of which 5 makes none; give"):
        odd.warm_up({"x": 5})


@pytest.mark.parametrize("told", [[], [(3,), (0,)], [np.ones(3, np.float32), (2,)], [1.5]])
def test_sequence_is_warmed_up_by_shapes_and_values(told: list[Any]) -> None:
    session = onnx.open_session(counting(), warm_up={"x": told})

    assert session.types == {"x": "seq(tensor(float))"}
    assert session.run({"x": [np.ones(3, np.float32)] * 2})[0] == 2


def test_sequence_that_cannot_be_made_is_told_of() -> None:
    with pytest.raises(onnx.OnnxError, match=r"warm-up of a model.* x is a seq\(tensor\(float\)\)"):
        onnx.open_session(counting(), warm_up={"x": 3})


@pytest.mark.parametrize(
    ("inner", "told"),
    [
        (helper.make_tensor_type_proto(Type.FLOAT, [None]), (3,)),
        (helper.make_tensor_type_proto(Type.FLOAT, [None]), np.ones(2, np.float32)),
        (helper.make_sequence_type_proto(helper.make_tensor_type_proto(Type.FLOAT, [None])), [(3,), (2,)]),
    ],
)
def test_optional_input_is_warmed_up_with_and_without(inner: Any, told: Any) -> None:
    session = onnx.open_session(optional(inner), warm_up=[{"x": told}, {"x": None}, {}])

    assert session.run({"x": None})[0].tolist() is False
    assert session.run({})[0].tolist() is False
    with pytest.raises(onnx.OnnxError, match=r"names z; its inputs are x optional\("):
        session.warm_up({"z": (1,)})


def test_stand_in_is_taken_for_a_session_of_onnxruntime() -> None:
    session = onnx.open_session(casting(Type.FLOAT, Type.INT64))
    stand_in = session.stand_in

    options = runtime.RunOptions()
    found = [
        stand_in.run(None, {"x": np.ones((1, 2), np.float32)}),
        stand_in.run(["y"], {"x": np.ones((1, 2), np.float32)}, options),
        stand_in.run(output_names=["y"], input_feed={"x": np.ones((1, 2), np.float32)}, run_options=None),
    ]

    assert [one[0].tolist() for one in found] == [[[1, 1]]] * 3
    assert isinstance(stand_in, runtime.InferenceSession)
    assert [item.name for item in stand_in.get_inputs()] == ["x"]
    assert stand_in.get_providers() == list(session.providers)
    with pytest.raises(AttributeError):
        stand_in.nothing_of_the_kind  # noqa: B018


def test_errors_of_the_stand_in_name_model_and_inputs() -> None:
    stand_in = onnx.open_session(casting(Type.FLOAT, Type.INT64)).stand_in

    with pytest.raises(onnx.OnnxError, match=r"cannot be run: .*its inputs are x tensor\(float\)"):
        stand_in.run(None, {"x": np.ones((1, 3, 3), np.float64)})


def test_options_of_a_run_reach_it() -> None:
    """A run that is told to end does."""
    stand_in = onnx.open_session(casting(Type.FLOAT, Type.INT64)).stand_in
    options = runtime.RunOptions()
    options.terminate = True

    with pytest.raises(onnx.OnnxError, match="terminate"):
        stand_in.run(None, {"x": np.ones((1, 2), np.float32)}, options)


def test_runs_of_the_stand_in_come_from_one_thread_on_a_gpu() -> None:
    class OnGpu:
        def __init__(self) -> None:
            self.threads: set[int] = set()

        def get_inputs(self) -> list[Any]:
            return []

        get_outputs = get_inputs

        def get_providers(self) -> list[str]:
            return [onnx.CUDA, onnx.CPU]

        def get_modelmeta(self) -> Any:
            return SimpleNamespace(custom_metadata_map={})

        def run(self, names: Any, feed: Any, options: Any) -> list[Any]:
            self.threads.add(threading.get_ident())
            return []

    raw = OnGpu()
    stand_in = onnx.OnnxSession(raw, None).stand_in
    callers = [threading.Thread(target=stand_in.run, args=(None, {})) for _ in range(4)]
    stand_in.run(None, {})
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()

    assert len(raw.threads) == 2
