"""Outputs, printed and written to files."""

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from athena.errors import ConfigError

#: Standard output, in place of a file's name.
STDOUT = "-"


def show(outputs: Mapping[str, Any], targets: Sequence[str], as_json: bool) -> None:
    """Writes outputs to the files that are named for them, and prints the others.

    Args:
        outputs: by name: text, JSON or bytes.
        targets: `KEY=FILE`, or `FILE` where it is clear which output is meant.
        as_json: whether one JSON object is printed, with base64 for data.

    Raises:
        ConfigError: there is no such output, or it cannot be written.
    """
    written = dict(_target(item, outputs) for item in targets)
    for key, file in written.items():
        _write(file, _bytes(outputs[key]))
    left = {key: value for key, value in outputs.items() if key not in written}
    if as_json:
        if left or not written:
            print(
                json.dumps({key: _plain(value) for key, value in left.items()}, indent=2, ensure_ascii=False)
            )
        return
    for key, value in left.items():
        print(f"{key}: {_shown(key, value)}")


def _target(item: str, outputs: Mapping[str, Any]) -> tuple[str, str]:
    key, sign, file = item.partition("=")
    if sign and key in outputs:
        return key, file
    there = ", ".join(outputs) or "none"
    if sign:
        raise ConfigError(f"the answer has no output {key!r}; it has: {there}")
    data = [name for name, value in outputs.items() if isinstance(value, bytes)]
    candidates = list(outputs) if len(outputs) == 1 else data
    if len(candidates) != 1:
        raise ConfigError(f"say which output goes into {item}: -o KEY={item}; there are: {there}")
    return candidates[0], item


def _write(file: str, data: bytes) -> None:
    if file == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}") from None


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _shown(key: str, value: Any) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes; -o {key}=FILE writes them"
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
