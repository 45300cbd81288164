"""One model, by a plain script, by `athena check` and over HTTP."""

import ast
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.e2e.conftest import ATHENA, Stack, serving
from tests.models.catalogue import FOLDER, PACKAGES, Subject, lay_out, let_batch, write_example
from tests.models.nearness import is_near

CLIENTS = 4

#: More calls tell no more of what one costs.
MOST_CALLS = 2000

#: About what a call costs a worker beside the model.
HOP_MS = 1.0

#: What `athena check` says of batches that change answers.
_REFUSALS = ("batch-differs", "batch-order", "batch-count", "batch-raises")


class Asked(NamedTuple):
    """What a model is given: bytes, and as what they are sent."""

    type: str
    encoding: str
    inputs: list[bytes]

    def body(self, data: bytes) -> Any:
        """Returns the request for an answer to some of them."""
        item = {self.type: base64.b64encode(data).decode(), "encoding": self.encoding, "status": 3}
        return {"header": {"app_id": "models", "status": 3}, "payload": {"data": item}}


class Result(NamedTuple):
    """How a served model compares with a plain script.

    Attributes:
        is_equal: whether all answers are those of the script.
        script_ms: what a call of the script costs, in milliseconds of CPU.
        worker_ms: what a call costs the worker's process.
        loop_ms: what of this its main thread spends, which takes jobs and finishes them; the wrapper runs on
            another one.
        calls: how many were measured over HTTP.
    """

    name: str
    is_equal: bool
    script_ms: float
    worker_ms: float
    loop_ms: float
    calls: int


def check_batches(subject: Subject, folder: Path) -> str:
    """Returns what `athena check` says of a model's batches: "equal", or which rule refuses them; "" without.

    What is refused is served without batches from then on, as check's remedy says.
    """
    if subject.max_batch == 1:
        return ""
    ability = folder / subject.name
    asked = _asked(ability)
    write_example(ability, asked.body(asked.inputs[0]))
    done = subprocess.run(
        [*ATHENA, "check", "--json", str(ability)],
        env={**os.environ, "PYTHONPATH": str(PACKAGES)},
        cwd=ability,
        stdout=subprocess.PIPE,
        timeout=300,
    )
    rules = [item["rule"] for item in json.loads(done.stdout)["findings"]]
    refusal = next((rule for rule in rules if rule in _REFUSALS), "")
    if refusal:
        let_batch(ability, 1, subject.tolerance)
    return refusal or ("unproven" if "batch-unproven" in rules else "equal")


def lay_out_all(subjects: Iterable[Subject], folder: Path) -> list[Path]:
    """Returns the folders of abilities that serve models."""
    return [lay_out(subject, folder) for subject in subjects]


@contextmanager
def served(abilities: Iterable[Path], folder: Path) -> Iterator[Stack]:
    """Serves models, each by one worker."""
    with serving(folder, *abilities, PYTHONPATH=str(PACKAGES)) as stack:
        yield stack


def compare(stack: Stack, subject: Subject, folder: Path, calls: int, seconds: float = 0.0) -> Result:
    """Asks a script and a worker the same, and looks at what each has spent.

    Args:
        calls: at least so many of each.
        seconds: on until they have spent about so much CPU.
    """
    ability = folder / subject.name
    script = _script(ability, calls, seconds)
    asked = _asked(ability)
    for data in asked.inputs:
        _call(stack, subject.name, asked.body(data))
    worker = _worker(stack, subject.name)
    before_s, loop_before_s = _cpu_s(worker), _loop_s(worker)
    enough = min(MOST_CALLS, round(seconds * 1000 / (script["cpu_ms"] + HOP_MS)))
    count = max(calls, len(asked.inputs), enough)
    bodies = [asked.body(data) for data in asked.inputs]
    with ThreadPoolExecutor(CLIENTS) as pool:
        turns = (bodies[number % len(bodies)] for number in range(count))
        found = list(pool.map(lambda body: _call(stack, subject.name, body), turns))
    spent_s, loop_spent_s = _cpu_s(worker) - before_s, _loop_s(worker) - loop_before_s
    right = script["answers"]
    is_equal = all(
        is_near(item, right[number % len(right)], subject.tolerance) for number, item in enumerate(found)
    )
    worker_ms, loop_ms = (each_s / count * 1000 for each_s in (spent_s, loop_spent_s))
    return Result(subject.name, is_equal, script["cpu_ms"], worker_ms, loop_ms, count)


def _script(ability: Path, calls: int, seconds: float) -> Any:
    command = [sys.executable, str(FOLDER / "plain.py"), str(ability), str(calls), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"}
    environment["OPENCV_FOR_THREADS_NUM"] = "1"
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


def _asked(ability: Path) -> Asked:
    """Returns what the model is given; its package is imported elsewhere."""
    code = (
        "import base64, made, subject\n"
        "print((made.TYPE, made.ENCODING, [base64.b64encode(item).decode() for item in subject.INPUTS]))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ability}:{PACKAGES}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    type, encoding, texts = ast.literal_eval(done.stdout.decode().splitlines()[-1])
    return Asked(type, encoding, [base64.b64decode(text) for text in texts])


def _call(stack: Stack, name: str, body: Any) -> Any:
    answer = stack.post(f"/{name}", body).json()
    return json.loads(base64.b64decode(answer["payload"]["found"]["text"]))


def _worker(stack: Stack, name: str) -> psutil.Process:
    """Returns the worker's process, by the folder that its wrapper runs in."""
    return next(item for item in stack.children("workers") if Path(item.cwd()).name == name)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _loop_s(process: psutil.Process) -> float:
    """Returns the CPU of a process' main thread; by the scheduler, which counts finer than in ticks."""
    spent_ns = Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text().split()[0]
    return int(spent_ns) / 1e9
