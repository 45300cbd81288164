"""What a model is given and returns: arrays, and what NumPy has no type for.

bfloat16, float8 and numbers of four bits are OrtValues of onnxruntime's; as inputs, arrays of ml_dtypes are
taken too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from athena.sdk.onnx.errors import OnnxError

#: Types that NumPy has not -> the number of ONNX, and as what their bits lie in an array; "": two in a byte.
UNHELD = {
    "tensor(bfloat16)": (16, "uint16"),
    "tensor(float8e4m3fn)": (17, "uint8"),
    "tensor(float8e4m3fnuz)": (18, "uint8"),
    "tensor(float8e5m2)": (19, "uint8"),
    "tensor(float8e5m2fnuz)": (20, "uint8"),
    "tensor(uint4)": (21, ""),
    "tensor(int4)": (22, ""),
    "tensor(float4e2m1)": (23, ""),
}

_OPTIONAL, _SEQUENCE = "optional(", "seq("


def is_optional(onnx_type: str) -> bool:
    """Whether an input of a type may be left out."""
    return onnx_type.startswith(_OPTIONAL)


def is_held(onnx_type: str) -> bool:
    """Whether an output of a type can be returned as arrays."""
    return not any(unheld in onnx_type for unheld in UNHELD)


def given(value: Any, onnx_type: str) -> Any:
    """Returns an input as onnxruntime takes it: an array of ml_dtypes becomes an OrtValue."""
    if onnx_type in UNHELD and hasattr(value, "dtype"):
        number, bits = UNHELD[onnx_type]
        if bits and f"tensor({value.dtype.name.replace('_', '')})" == onnx_type:
            return _ort_values().ortvalue_from_numpy_with_onnx_type(value.view(bits), number)
    return value


def as_ort_values(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns all inputs as OrtValues.

    Raises:
        OnnxError: one is a text or a sequence, of which onnxruntime makes none.
    """
    kind = _ort_values()
    found = {}
    for name, value in inputs.items():
        if isinstance(value, kind):
            found[name] = value
            continue
        try:
            found[name] = kind.ortvalue_from_numpy(_array(value))
        except Exception as error:  # onnxruntime's error classes share no base
            raise OnnxError(
                f"an output that NumPy has no type for was asked for, and {name} is no OrtValue and cannot "
                "become one; ask for other outputs, or export the model with numbers there"
            ) from error
    return found


def returned(value: Any) -> Any:
    """Returns an output as an array; as the OrtValue that it is where NumPy has no type for it."""
    return value.numpy() if value.is_tensor() and is_held(value.data_type()) else value


def example_of(onnx_type: str, rank: int, told: Any) -> Any:
    """Returns what an input gets in a warm-up: a value as it is, or zeros in a shape.

    Args:
        onnx_type: of the input.
        rank: of the input; sequences have none.
        told: an array, an OrtValue, a number, a text, or a shape; a list of such for a sequence; None for
            an optional input that is left out.

    Raises:
        TypeError: there are no zeros of this type.
    """
    if is_optional(onnx_type):
        inner = onnx_type.removeprefix(_OPTIONAL).removesuffix(")")
        return None if told is None else example_of(inner, rank, told)
    if onnx_type.startswith(_SEQUENCE) and isinstance(told, list | tuple):
        inner = onnx_type.removeprefix(_SEQUENCE).removesuffix(")")
        return [example_of(inner, rank, item) for item in told]
    if hasattr(told, "dtype") or hasattr(told, "data_ptr"):
        return told
    if onnx_type in UNHELD:
        return _unheld_zeros(onnx_type, told)
    return _array_of(onnx_type, rank, told)


def shown(value: Any) -> str:
    """Returns a shape, or what there is of a value, in words."""
    if hasattr(value, "dtype"):
        return f"{value.dtype} {list(value.shape)}"
    if hasattr(value, "data_ptr"):
        return f"{value.data_type()} {list(value.shape())}"
    if isinstance(value, list | tuple) and not all(isinstance(item, int) for item in value):
        return f"[{', '.join(map(shown, value))}]"
    return str(list(value)) if isinstance(value, Sequence) and not isinstance(value, str) else repr(value)


def _array_of(onnx_type: str, rank: int, told: Any) -> Any:
    import numpy

    kind = numpy.dtype(_numpy_type(onnx_type))
    if isinstance(told, int | float | str):
        return numpy.full([1] * rank, told, kind)
    return numpy.zeros(tuple(told), kind)


def _unheld_zeros(onnx_type: str, told: Any) -> Any:
    import numpy

    number, bits = UNHELD[onnx_type]
    if isinstance(told, int | float | str):
        raise TypeError(onnx_type)
    if not bits:
        return _ort_values().ortvalue_from_shape_and_type(list(told), number)
    return _ort_values().ortvalue_from_numpy_with_onnx_type(numpy.zeros(tuple(told), bits), number)


def _array(value: Any) -> Any:
    import numpy

    return numpy.asarray(value)


def _ort_values() -> Any:
    import onnxruntime

    return onnxruntime.OrtValue


def _numpy_type(onnx_type: str) -> str:
    """Returns NumPy's name for a type such as "tensor(float)"."""
    name = onnx_type.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64", "string": "object"}.get(name, name)
