"""One model, by a plain script and over HTTP."""

import ast
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.e2e.conftest import Stack, serving
from tests.models.catalogue import FOLDER, PACKAGES, Subject, lay_out

CLIENTS = 4


class Result(NamedTuple):
    """How a served model compares with a plain script.

    Attributes:
        is_equal: whether all answers are those of the script.
        script_ms: what a call of the script costs, in milliseconds of CPU.
        worker_ms: what a call costs the worker's process.
    """

    name: str
    is_equal: bool
    script_ms: float
    worker_ms: float


@contextmanager
def served(subjects: tuple[Subject, ...], folder: Path) -> Iterator[Stack]:
    """Serves models, each by one worker."""
    abilities = [lay_out(subject, folder) for subject in subjects]
    with serving(folder, *abilities, PYTHONPATH=str(PACKAGES)) as stack:
        yield stack


def compare(stack: Stack, subject: Subject, folder: Path, calls: int) -> Result:
    """Asks a script and a worker the same, and looks at what each has spent."""
    ability = folder / subject.name
    script = _script(ability, calls)
    inputs = _inputs(ability)
    for data in inputs:
        _call(stack, subject.name, data)
    worker = _worker(stack, subject.name)
    before_s = _cpu_s(worker)
    count = max(calls, len(inputs))
    with ThreadPoolExecutor(CLIENTS) as pool:
        turns = (inputs[number % len(inputs)] for number in range(count))
        found = list(pool.map(lambda data: _call(stack, subject.name, data), turns))
    spent_s = _cpu_s(worker) - before_s
    is_equal = all(item == script["answers"][number % len(inputs)] for number, item in enumerate(found))
    return Result(subject.name, is_equal, script["cpu_ms"], spent_s / len(found) * 1000)


def _script(ability: Path, calls: int) -> Any:
    command = [sys.executable, str(FOLDER / "plain.py"), str(ability), str(calls)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"}
    environment["OPENCV_FOR_THREADS_NUM"] = "1"
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


def _inputs(ability: Path) -> list[bytes]:
    """Returns what the model is given; its package is imported elsewhere."""
    code = "import base64, subject; print([base64.b64encode(item).decode() for item in subject.INPUTS])"
    environment = {**os.environ, "PYTHONPATH": f"{ability}:{PACKAGES}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True, timeout=120
    )
    return [base64.b64decode(text) for text in ast.literal_eval(done.stdout.decode().splitlines()[-1])]


def _call(stack: Stack, name: str, data: bytes) -> Any:
    body = {
        "header": {"app_id": "models", "status": 3},
        "payload": {"data": {"other": base64.b64encode(data).decode()}},
    }
    answer = stack.post(f"/{name}", body).json()
    return json.loads(base64.b64decode(answer["payload"]["found"]["text"]))


def _worker(stack: Stack, name: str) -> psutil.Process:
    """Returns the worker's process, by the folder that its wrapper runs in."""
    return next(item for item in stack.children("workers") if Path(item.cwd()).name == name)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
