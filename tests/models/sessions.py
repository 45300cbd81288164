"""Sessions that packages open, beside `open_session`: what a call costs, in a process as a worker has it.

`python -m tests.models.sessions FOLDER SECONDS` prints JSON for the ability that is laid out there. Its
model's own session is swapped for the stand-in of one of ours, which its package takes without noticing.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from athena.sdk import device, onnx
from athena.sdk.device import Device
from tests.house import ROOT
from tests.models.catalogue import PACKAGES, SUBJECTS, Subject, lay_out
from workers.runtime.sessions.share import SessionShare

#: Models of one session, which an attribute of theirs holds.
SWAPPED = tuple(subject for subject in SUBJECTS if subject.name in ("pitch", "moderation", "upright"))

ROUNDS = 4


class Costs(NamedTuple):
    """What a call costs, in milliseconds of CPU, and whether all answers are one."""

    name: str
    is_equal: bool
    own_ms: float
    opened_ms: float
    keeping_ms: float


def costs(subject: Subject, folder: Path, seconds: float) -> Costs:
    """Returns what a call costs by the package's session, by `open_session`, and with `keeps_memory`."""
    ability = lay_out(subject, folder)
    command = [sys.executable, "-m", "tests.models.sessions", str(ability), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=300)
    return Costs(subject.name, *json.loads(done.stdout.splitlines()[-1]))


def table(rows: Sequence[Costs], about: str) -> str:
    """Returns them as Markdown."""
    lines = [
        about,
        "",
        "| model | equal | own session ms | `open_session` ms | ratio | `keeps_memory` ms |",
    ]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: |")
    lines += [
        f"| {row.name} | {'yes' if row.is_equal else '**no**'} | {row.own_ms:.3g} | {row.opened_ms:.3g} "
        f"| {row.own_ms / row.opened_ms:.2f} | {row.keeping_ms:.3g} |"
        for row in rows
    ]
    return "\n".join(lines)


def _holder(model: Any, kind: type) -> tuple[Any, str]:
    """Returns what holds the model's session, and under which name."""
    for place in (model, *vars(model).values()):
        for name, value in getattr(place, "__dict__", {}).items():
            if isinstance(value, kind):
                return place, name
    raise LookupError(f"{type(model).__name__} holds no session")


def _measured(subject: Any, model: Any, seconds: float) -> float:
    began_s, done = time.process_time(), 0
    while time.process_time() - began_s < seconds:
        subject.answer(model, subject.INPUTS[done % len(subject.INPUTS)])
        done += 1
    return (time.process_time() - began_s) / done * 1000


def _compared(folder: str, seconds: float) -> Iterator[Any]:
    """Yields whether answers are equal, and the least cost by each session; rounds take turns."""
    sys.path[:0] = [folder, str(PACKAGES)]
    device.assign(Device("cpu", threads=1))
    share = SessionShare()
    share.install()
    subject = __import__("subject")
    model = subject.load()
    import onnxruntime

    holder, name = _holder(model, onnxruntime.InferenceSession)
    path = share.opened[-1].path
    sessions = [getattr(holder, name), onnx.open_session(path).stand_in]
    sessions.append(onnx.open_session(path, keeps_memory=True).stand_in)
    answers, found = [], []
    for session in sessions * ROUNDS:
        setattr(holder, name, session)
        answers.append([subject.answer(model, data) for data in subject.INPUTS])
        found.append(_measured(subject, model, seconds / ROUNDS))
    yield all(one == answers[0] for one in answers)
    yield from (min(found[first :: len(sessions)]) for first in range(len(sessions)))


if __name__ == "__main__":
    print(json.dumps(list(_compared(sys.argv[1], float(sys.argv[2])))))
