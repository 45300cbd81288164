"""What each client is asked to do, and the requests that it sends for it."""

import base64
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ECHO, PATIENT = "echo", "patient"

SLOW_STEPS = 15
UPLOAD_BYTES = 2_000_000
EARLY_BYTES = 4_000_000


@dataclass(frozen=True)
class Case:
    """One column of the table.

    Attributes:
        name: what the programs know it by.
        meaning: one line for docs/clients.md.
    """

    name: str
    meaning: str


CASES = (
    Case("call", "one call; the right answer"),
    Case("keepalive", "200 calls one after the other, over one connection where the client keeps it"),
    Case("parallel", "20 calls at the same time"),
    Case("upload", "an input of 2 MB comes back whole"),
    Case("error", "a 400 with its JSON, and a good call after it"),
    Case("slow", "an answer after 1.5 s"),
    Case("abort", "the client gives up after 0.3 s; its next call is answered"),
    Case("charset", "`Content-Type: application/json; charset=utf-8`"),
    Case("chunked", "a body without a length"),
    Case("silence", "a pause, then a call over the pool that the client kept"),
    Case("early", "4 MB to a service that does not exist, with `Connection: close`: the 404 is read"),
)

NAMES = tuple(case.name for case in CASES)


def write_requests(folder: Path) -> None:
    """Writes the bodies that the programs send."""
    text = base64.b64encode(random.Random(7).randbytes(UPLOAD_BYTES)).decode()
    bodies = {
        "call": _envelope(ECHO, {}, "aGVsbG8="),
        "bad": _envelope(ECHO, {}, "not base64!"),
        "slow": _envelope(PATIENT, {"steps": SLOW_STEPS, "note": str(folder / "canceled")}, "aGVsbG8="),
        "upload": _envelope(ECHO, {}, text),
    }
    for name, body in bodies.items():
        (folder / f"{name}.json").write_text(json.dumps(body))
    (folder / "early.json").write_bytes(b" " * EARLY_BYTES)


def _envelope(service_id: str, params: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "header": {"app_id": "clients", "status": 3},
        "parameter": {service_id: params},
        "payload": {"text": {"encoding": "utf8", "status": 3, "text": text}},
    }
