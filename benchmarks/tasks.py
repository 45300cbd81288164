"""The requests that all contestants are sent, and whether an answer to one is right."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT
from benchmarks.noop import BODY_BYTES

PICTURE_BYTES = 2_000_000
SEED = 7


@dataclass(frozen=True)
class Task:
    """Work that contestants compete in.

    Attributes:
        work: its name in benchmarks/peers/work.py.
        ability: the folder of Athena's ability.
        service: that ability's name, which stands in the request and in the path.
        request: the request, as JSON.
        target: the key of the output in the answer.
        is_right: whether an output is the one that the request must get.
    """

    work: str
    ability: Path
    service: str
    request: bytes
    target: str
    is_right: Callable[[bytes], bool]

    def check(self, text: bytes) -> None:
        """Stops the benchmark at an answer that is not right.

        Raises:
            SystemExit: it is not.
        """
        try:
            found: Any = json.loads(text)
            answer = found[0] if isinstance(found, list) else found
            output = base64.b64decode(answer["payload"][self.target]["text"])
        except (ValueError, KeyError, TypeError, IndexError):
            raise SystemExit(f"{self.work}: an answer cannot be read: {text[:500]!r}") from None
        if not self.is_right(output):
            raise SystemExit(f"{self.work}: a wrong answer: {text[:500]!r}")


def echo_task(work: str, ability: Path, service: str) -> Task:
    """Returns a task whose output is its input; its request has 1 KB."""
    room = BODY_BYTES - len(_request(service, "text", "text", "text", b""))
    data = random.Random(SEED).randbytes(room // 4 * 3)
    request = _request(service, "text", "text", "text", data)
    return Task(work, ability, service, request, "text", data.__eq__)


def noop_task() -> Task:
    """Returns the task that does nothing."""
    return echo_task("noop", ROOT / "abilities" / "echo", "echo")


def batch_task() -> Task:
    """Returns the task of the model that gains from batches."""
    return echo_task("batch", ROOT / "benchmarks" / "abilities" / "batch_model", "batch_model")


def picture_task(size_bytes: int = PICTURE_BYTES) -> Task:
    """Returns the task of a picture, of 2 MB or another size, which no compression makes smaller."""
    data = random.Random(SEED).randbytes(size_bytes)
    request = _request("picture", "size", "image", "image", data)
    right = f"{len(data)} {data[-8:].hex()}".encode()
    return Task(
        "picture", ROOT / "benchmarks" / "abilities" / "picture", "picture", request, "size", right.__eq__
    )


def digits_task() -> Task:
    """Returns the task of the classifier."""
    folder = ROOT / "examples" / "digits"
    request = _request("digits", "digit", "image", "image", (folder / "seven.png").read_bytes())
    return Task("digits", folder, "digits", request, "digit", _is_seven)


def _is_seven(output: bytes) -> bool:
    answer: Any = json.loads(output)
    return bool(answer["digit"] == 7 and len(answer["scores"]) == 10)


def _request(service: str, target: str, source: str, kind: str, data: bytes) -> bytes:
    request = {
        "header": {"app_id": "bench", "uid": "39769795890", "net_type": "wifi", "status": 3},
        "parameter": {service: {target: {"encoding": "utf8", "compress": "raw", "format": "plain"}}},
        "payload": {source: {"status": 3, kind: base64.b64encode(data).decode()}},
    }
    return json.dumps(request).encode()
