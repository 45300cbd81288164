"""OCR through Athena beside a bare loop over the same wrapper, with and without batches."""

import multiprocessing
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.harness import ROOT, Served, served
from benchmarks.ocr import ABILITY, bare_loop, served_rate
from benchmarks.results import Result, round_off
from benchmarks.scenarios import Options

#: How many clients there are, and the largest batch.
PLAIN = (2, 1)
BATCHED = (8, 8)


@dataclass(frozen=True)
class Loop:
    """The bare loop's process, seen from here."""

    pipe: Connection

    def rate(self, seconds: float) -> float:
        """Returns the pictures a second of a loop that nobody else disturbs."""
        self.pipe.send(seconds)
        return float(self.pipe.recv())


def race_ocr(options: Options) -> Result:
    """Takes turns: the loop, and the same wrapper behind gateway and queue."""
    result = Result("ocr")
    takes_batches = "def wrapperBatchExec" in (ABILITY / "wrapper.py").read_text()
    for clients, max_batch in (PLAIN, BATCHED) if takes_batches else (PLAIN,):
        name = "athena" if max_batch == 1 else f"athena, batches of {max_batch}"
        options.say(f"  {name}")
        with bare_process() as loop, ability_with(max_batch) as folder, served(folder) as athena:
            served_rate(athena.url, clients, 1)
            for number in range(options.rounds):
                options.say(f"  round {number + 1} of {options.rounds}")
                take_turns(result, name, athena, loop, clients, options.seconds * 2)
    result.figures = {"takes_batches": float(takes_batches)}
    return result


def take_turns(result: Result, name: str, athena: Served, loop: Loop, clients: int, seconds: float) -> None:
    """Adds a round."""
    load = {"clients": clients}
    result.add(name, load, round_off({"rate": served_rate(athena.url, clients, seconds)}))
    result.add("bare loop", load, round_off({"rate": loop.rate(seconds)}))


@contextmanager
def bare_process() -> Iterator[Loop]:
    """Runs the bare loop in a process of its own, as the worker is one."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    picture = (ABILITY / "picture.jpg").read_bytes()
    process = context.Process(target=bare_loop, args=(there, picture), daemon=True)
    process.start()
    try:
        here.recv()
        yield Loop(here)
        here.send(None)
        process.join(20)
    finally:
        process.kill()
        process.join()


@contextmanager
def ability_with(max_batch: int) -> Iterator[Path]:
    """Yields the ability's folder, or a copy that takes batches."""
    if max_batch == 1:
        yield ROOT / "abilities" / "mmocr"
        return
    with tempfile.TemporaryDirectory(prefix="bench-mmocr-") as name:
        folder = Path(name) / "mmocr"
        shutil.copytree(ABILITY, folder, ignore=shutil.ignore_patterns("__pycache__"))
        options = (folder / "ability.toml").read_text()
        for key, value in (("max_batch", max_batch), ("slots", 2 * max_batch)):
            options = re.sub(rf"(?m)^{key} = \d+", f"{key} = {value}", options)
        (folder / "ability.toml").write_text(options)
        yield folder
