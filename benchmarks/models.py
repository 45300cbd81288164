"""What batches gain the abilities with models: `python -m benchmarks.models`.

Each ability is loaded in a process of its own, as a worker does it, and called without any service: one input
at a time (the bare loop) and in batches (`wrapperBatchExec`). For `mmocr`, each model alone as well, with one
input and with several in one run. Milliseconds for each input, medians; with the processor time beside them,
which tells of the cost where others use the machine.
"""

import argparse
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, median_of

SIZES = (1, 2, 4, 8, 16)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    context = multiprocessing.get_context("spawn")
    for measure in (measure_mmocr, measure_digits):
        process = context.Process(target=measure, args=(rounds,))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{measure.__name__} failed")


def load(folder: Path) -> Any:
    """Returns an ability's wrapper, ready to run."""
    from athena.ability.manifest import load_ability

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("wrapper", folder / "wrapper.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wrapper = module.Wrapper()
    assert wrapper.wrapperInit(load_ability(folder).config) == 0
    return wrapper


def measure_mmocr(rounds: int) -> None:
    """Prints the figures of the OCR ability: its models, then whole pictures."""
    folder = ROOT / "abilities" / "mmocr"
    wrapper = load(folder)
    models, reader = sys.modules["models"], sys.modules["reader"]
    opened = models.load_models(models.MODELS_FOLDER, 1, False)
    picture = sys.modules["picture"].decode((folder / "picture.jpg").read_bytes(), 10**8).pixels
    heat_input = reader._normalised(picture, (640, 480))
    line_input = reader._padded(picture[20:68, :300], 300, reader.LINE_MIN_WIDTH)
    for name, model, one in (
        ("detector", opened.detector, heat_input),
        ("recogniser", opened.recogniser, line_input),
    ):
        for size in SIZES[:4]:
            inputs = np.repeat(one, size, axis=0)
            show(f"mmocr {name}, {size} in one run", timed(lambda: models.run(model, inputs), size, rounds))  # noqa: B023
    calls("mmocr", wrapper, "data", (folder / "picture.jpg").read_bytes(), SIZES[:3], rounds)


def measure_digits(rounds: int) -> None:
    """Prints the figures of the classifier."""
    folder = ROOT / "examples" / "digits"
    calls("digits", load(folder), "image", (folder / "seven.png").read_bytes(), SIZES, rounds * 100)


def calls(name: str, wrapper: Any, key: str, data: bytes, sizes: tuple[int, ...], rounds: int) -> None:
    """Prints what an input costs alone and in batches."""
    from athena.sdk import DataListCls, DataListNode

    inputs = DataListCls([DataListNode(key, data, 2)])
    show(f"{name}, bare loop", timed(lambda: wrapper.wrapperOnceExec({}, inputs), 1, rounds))
    for size in sizes:
        batch: Any = ([{}] * size, [inputs] * size)
        show(f"{name}, batches of {size}", timed(lambda: wrapper.wrapperBatchExec(*batch), size, rounds))  # noqa: B023
    wrapper.wrapperFini()


def timed(step: Callable[[], object], inputs: int, rounds: int) -> tuple[float, float]:
    """Returns the milliseconds and the processor's milliseconds for each input."""
    step()
    took, used = [], []
    for _ in range(rounds):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        step()
        took.append((time.perf_counter() - began_s) * 1000 / inputs)
        used.append((time.process_time() - began_cpu_s) * 1000 / inputs)
    return median_of(took), median_of(used)


def show(name: str, figures: tuple[float, float]) -> None:
    """Prints a line."""
    print(f"{name:32} {figures[0]:8.3f} ms {figures[1]:8.3f} ms of processor time", flush=True)


if __name__ == "__main__":
    main()
