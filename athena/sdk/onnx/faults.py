"""What ONNX Runtime's errors mean, and what to do about them. Pure, but for a look at the file."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: What every text begins with, and the places in the runtime's own source.
_NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed:|"
    r"(?:/\S*/)?\w+\.(?:cc|h):\d+ (?:[^()]*\(.*?\)(?: \[[^]]*\])? (?=[A-Z])|\w+ )"
)

#: Part of what is said -> what to do. The first that fits counts.
_REMEDIES = {
    r"Unsupported model IR version": "a newer onnx has written it; take a newer onnxruntime, or save it with "
    "the ir_version that is named",
    r"Opset \d+ is under development": "it needs a newer onnxruntime, or an export with a smaller "
    "opset_version",
    r"No Op registered|is not a registered function/op": "an operator is of another library; give that to "
    "open_session (custom_ops), or export the model without it",
    r"External data path.*escapes": "its weights are in a file outside of its folder; put that "
    "beside the model and save the model anew",
    r"External data path does not exist|can not be read in full": "its weights are in a second file, "
    "which is missing or cut off; put it, whole, beside the model",
    r"locale": "install the locale (apt-get install locales), or set LC_ALL=C.UTF-8",
    r"Failed to load library": "install the library that is named, or correct its path",
    r"Protobuf parsing failed|No graph was found": "it is cut off or no ONNX file; fetch it again",
    r"Unexpected input data type": "convert the array; numpy's numbers are of 64 bits unless a type is named",
    r"Invalid rank|invalid dimensions": "bring the array into the shape of the input",
}

_POINTER = b"version https://git-lfs"


def told(error: BaseException) -> str:
    """Returns what an error says, as one line without the runtime's own places."""
    text = _NOISE.sub("", " ".join(str(error).split())).strip()
    return text or type(error).__name__


def why_unreadable(error: BaseException, path: Path | None) -> str:
    """Returns why a model cannot be opened, and what to do about it."""
    if path is not None and _begins_with(path, _POINTER):
        return "it is a pointer of git-lfs and not the model: git lfs pull"
    return _with_remedy(told(error))


def why_failed(error: BaseException, expected: Iterable[str], given: Mapping[str, Any]) -> str:
    """Returns why a run failed: what was said, which inputs the model has, and what it was given.

    Args:
        error: what the runtime raised.
        expected: the inputs with type and shape, in words.
        given: input -> what was given.
    """
    shown = ", ".join(f"{name} {_shape_of(value)}" for name, value in given.items()) or "nothing"
    return f"{_with_remedy(told(error))}; its inputs are {listed(expected)}; it was given {shown}"


def listed(names: Iterable[str]) -> str:
    """Returns names as part of a sentence."""
    return ", ".join(names) or "nothing"


def _with_remedy(text: str) -> str:
    remedy = next((what for pattern, what in _REMEDIES.items() if re.search(pattern, text)), "")
    return f"{text.rstrip('.')}; {remedy}" if remedy else text


def _shape_of(value: Any) -> str:
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    if hasattr(value, "data_ptr"):
        return f"{value.data_type()} {list(value.shape())}"
    if shape is None or kind is None:
        return f"a {type(value).__name__}"
    return f"{kind} {list(shape)}"


def _begins_with(path: Path, beginning: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False
