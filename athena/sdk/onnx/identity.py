"""Which files an ONNX model is made of, and for which machine a copy of it is right."""

import hashlib
import mmap
import platform
from collections.abc import Iterator
from pathlib import Path

#: What stands in an ONNX file before the name of a second one: an entry of a tensor's `external_data`.
_LOCATION = b"\x0a\x08location\x12"

#: What of /proc/cpuinfo decides how weights are laid out for the processor's instructions.
_DECISIVE = (
    "vendor_id",
    "cpu family",
    "model",
    "flags",
    "Features",
    "CPU implementer",
    "CPU part",
    "CPU variant",
)


def files_of(model: Path) -> list[Path]:
    """Returns a model's file and those that hold its weights, as far as they are there.

    Raises:
        OSError: the model cannot be read.
    """
    if not model.stat().st_size:
        return [model]
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        names = dict.fromkeys(_locations(content))
    return [model, *(path for path in (model.parent / name for name in names) if path.is_file())]


def _locations(content: mmap.mmap) -> Iterator[str]:
    at = content.find(_LOCATION)
    while at >= 0:
        begin = at + len(_LOCATION)
        # A length of 128 or more takes two bytes, seven bits in each.
        low, high = (*content[begin : begin + 2], 0, 0)[:2]
        is_long = low > 127
        size, begin = (low & 127) | (high << 7 if is_long else 0), begin + 1 + is_long
        yield content[begin : begin + size].decode(errors="replace")
        at = content.find(_LOCATION, begin)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Returns what tells kinds of processors apart: weights laid out for one may be wrong on another."""
    try:
        first, _, _ = cpuinfo.read_text().partition("\n\n")
    except OSError:
        first = ""
    lines = [line for line in first.splitlines() if line.partition(":")[0].strip() in _DECISIVE]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{platform.machine()} {digest[:16]}"
