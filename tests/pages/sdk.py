"""docs/sdk.md: what a wrapper.py imports, as its source and docstrings say."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from athena import sdk
from athena.sdk import device, job, metrics, onnx
from tests.pages.markdown import code, note, table
from tests.pages.sdk_examples import EXAMPLES

INTRO = """\
# athena.sdk

What a `wrapper.py` may import. [wrappers.md](wrappers.md) tells when which method is called and what becomes of its answer;
[tutorial.md](tutorial.md) builds an ability with it. The names of the original SDK (`aiges`, `aiges_embed`) lead to the
same classes.
"""

#: Heading -> names in `athena.sdk`, or functions of its modules.
SECTIONS: dict[str, tuple[str, ...]] = {
    "The wrapper": ("WrapperBase", "BatchWrapper"),
    "Parameters": (
        "StringParamField",
        "IntegerParamField",
        "NumberParamField",
        "BooleanParamField",
        "ParamField",
    ),
    "Inputs and outputs": (
        "StringBodyField",
        "JsonBodyField",
        "ImageBodyField",
        "AudioBodyField",
        "VideoBodyField",
        "OtherBodyField",
        "PayloadField",
        "Field",
    ),
    "Data": ("DataListCls", "DataListNode", "ResponseData", "Response", "answer"),
    "The job that runs": ("job.cancelled", "job.progress", "job.traceparent"),
    "Metrics of a wrapper": ("metrics.counter", "metrics.gauge", "metrics.histogram"),
    "Where models run": (
        "onnx.open_session",
        "onnx.OnnxSession",
        "onnx.StandIn",
        "onnx.OnnxError",
        "onnx.ModelFileError",
        "device.current",
        "device.Device",
        "device.note_cpu",
    ),
    "Sound and pictures": ("audio", "wav", "picture"),
    "What the caller has to mend": ("InputError",),
    "A process that cannot answer": ("Broken",),
    "Results by callback, notes in the log": ("callback", "callback_metric", "callback_trace"),
    "Sessions": ("SessionCreateResponse", "SessionManager", "StreamHandleThread"),
}

MODULES: dict[str, ModuleType] = {"job": job, "onnx": onnx, "device": device, "metrics": metrics}

#: Inherited from `object`, or for programs of ours.
_HIDDEN = re.compile(r"_|call_type$|legacy$")


def render() -> str:
    """Returns the page."""
    parts = [note("athena/sdk"), INTRO]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name) for name in names]
    return "\n".join(parts)


def find(name: str) -> Any:
    """Returns what a name of the page stands for."""
    module, _, inner = name.rpartition(".")
    return getattr(MODULES[module] if module else sdk, inner)


def _entry(name: str) -> str:
    item = find(name)
    parts = [f"### {name}", f"```text\n{_signature(name, item)}\n```", _prose(inspect.getdoc(item) or "")]
    members = list(_members(item)) if inspect.isclass(item) else []
    if members:
        parts.append(table(("member", "what"), members).rstrip())
    parts.append(f"```python\n{EXAMPLES[name]}```")
    return "\n\n".join(part for part in parts if part) + "\n"


def _signature(name: str, item: Any) -> str:
    if not inspect.isclass(item):
        return f"{name}{_arguments(item)}"
    # A dataclass has no constructor in its source, an exception of ours that of Python.
    constructor = next((vars(cls)["__init__"] for cls in item.__mro__ if "__init__" in vars(cls)), None)
    if inspect.isfunction(constructor) and constructor.__code__.co_filename.endswith(".py"):
        return f"{name}{_arguments(constructor)}"
    if hasattr(item, "__dataclass_fields__"):
        return f"{name}({', '.join(item.__dataclass_fields__)})"
    return name


def _arguments(function: Any) -> str:
    """Returns the arguments as the source spells them, which is the same under every Python."""
    [node] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef)
    arguments = node.args
    if arguments.args and arguments.args[0].arg == "self":
        arguments.args = arguments.args[1:]
    # What is taken and ignored for later SDKs tells a reader nothing.
    if arguments.kwarg is not None and arguments.kwarg.arg == "_":
        arguments.kwarg = None
    returned = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"({ast.unparse(arguments)}){returned}"


def _members(item: Any) -> Iterator[tuple[str, str]]:
    """Yields a class's own methods and properties that are documented."""
    for name, member in vars(item).items():
        text = inspect.getdoc(member) if callable(member) or isinstance(member, property) else None
        if not text or _HIDDEN.match(name):
            continue
        shown = name if isinstance(member, property) else f"{name}{_arguments(member).partition(' -> ')[0]}"
        yield code(shown), text.splitlines()[0]


def _prose(docstring: str) -> str:
    """Returns a docstring with its sections (`Args:`, `Raises:` …) as lists."""
    lines: list[str] = []
    for line in docstring.splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises):", line):
            lines += [f"{line}", ""]
        elif found := re.fullmatch(r"    (\w+): (.*)", line):
            lines.append(f"- `{found[1]}`: {found[2]}")
        elif re.match(r"        \S", line):
            lines.append(f"  {line.strip()}")
        elif re.match(r"    \S", line):
            lines.append(f"- {line.strip()}" if lines and not lines[-1].strip() else f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines).strip()
