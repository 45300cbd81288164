"""What workers hold that share one large model: `python -m benchmarks.weights` (`make bench-weights`).

A model of 250 MB is made, and served by one worker with weights of its own, by two with weights of their own,
and by two that map one copy. Memory is proportional (PSS in /proc/PID/smaps_rollup: what processes share is
divided among them), the peak is resident; the load is that of `open_session`, in the first start, which makes
the copy, and in a later one; a call costs the processor time of one inference with one thread.
"""

import argparse
import json
import shutil
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from benchmarks.harness import ROOT, Served, median_of, served

WIDTH = 2048
MEGABYTES = 250

#: One that two workers which share a model may hold, in terms of what one worker holds by itself.
GOAL = 1.3


@dataclass(frozen=True)
class Measured:
    """What the workers of one arrangement held and used."""

    name: str
    pss_mb: tuple[float, ...]
    peak_mb: tuple[float, ...]
    load_s: tuple[float, ...]
    cpu_ms: dict[int, float]
    answers: frozenset[tuple[int, str, str]]


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="of the model")
    parser.add_argument("--calls", type=int, default=80, help="in each arrangement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="athena-bench-", dir="/var/tmp") as place:
        folder = Path(place)
        model = folder / "model.onnx"
        save_model(model, options.megabytes)
        print(f"model of {model.stat().st_size / 1e6:.0f} MB")
        cache = str(folder / "cache")
        found = [
            _measure(folder, "one worker, weights of its own", 1, "off", options.calls),
            _measure(folder, "two workers, weights of their own", 2, "off", options.calls),
            _measure(folder, "two workers, one copy; first start", 2, cache, options.calls),
            _measure(folder, "two workers, one copy; later start", 2, cache, options.calls),
        ]
    return _report(found)


def save_model(path: Path, megabytes: int) -> None:
    """Writes a chain of layers, as many as there are megabytes for, one at least."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for layer in range(max(1, round(megabytes * 1e6 / (WIDTH * WIDTH * 4)))):
        drawn = rng.standard_normal((WIDTH, WIDTH), dtype="float32") / np.sqrt(WIDTH)
        weights.append(numpy_helper.from_array(drawn.astype("float32"), f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Relu", [f"m{layer}"], [f"r{layer}"]))
        last = f"r{layer}"
    graph = helper.make_graph(
        nodes,
        "weights",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", WIDTH])],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def _measure(folder: Path, name: str, workers: int, cache: str, calls: int) -> Measured:
    """Serves the model, asks, and looks at the workers."""
    ability = folder / "weights"
    shutil.copytree(ROOT / "benchmarks" / "abilities" / "weights", ability, dirs_exist_ok=True)
    (ability / "ability.toml").write_text(f'service_id = "weights"\n[worker]\ncpu_workers = {workers}\n')
    model = str(folder / "model.onnx")
    more = {"OMP_NUM_THREADS": "1"}
    with served(ability, WEIGHTS_MODEL=model, ATHENA_CACHE_DIR=cache, ATHENA_ACCESS="open", **more) as stack:
        told = [_ask(stack, seed) for seed in range(calls)]
        for _ in range(100):
            if len({item["pid"] for item in told}) == workers:
                break
            told += [_ask(stack, seed) for seed in range(workers)]
        by_pid = {item["pid"]: item for item in told}
        if len(by_pid) != workers:
            raise SystemExit(f"{len(by_pid)} of {workers} workers have answered")
        return Measured(
            name,
            tuple(psutil.Process(pid).memory_full_info().pss / 1e6 for pid in by_pid),
            tuple(_peak_mb(pid) for pid in by_pid),
            tuple(item["load_s"] for item in by_pid.values()),
            {
                rows: median_of([item["cpu_ms"] for item in told if item["rows"] == rows])
                for rows in sorted({item["rows"] for item in told})
            },
            frozenset((item["seed"], item["sum"], item["last"]) for item in told),
        )


def _ask(stack: Served, seed: int) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{stack.url}/weights",
        json.dumps({"seed": str(seed)}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)["told"]
    return {"seed": seed, **told}


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def _report(found: Sequence[Measured]) -> int:
    """Prints the table and whether the goal is met; returns 1 if it is not, or answers differ."""
    print(f"{'':<36}{'PSS, MB':>14}{'sum':>7}{'peak, MB':>14}{'load, s':>14}   CPU a call, ms")
    for item in found:
        costs = ", ".join(f"{cost:.1f} ({rows} rows)" for rows, cost in item.cpu_ms.items())
        columns = (_listed(item.pss_mb, 0), f"{sum(item.pss_mb):.0f}", _listed(item.peak_mb, 0))
        load = _listed(item.load_s, 2)
        print(f"{item.name:<36}{columns[0]:>14}{columns[1]:>7}{columns[2]:>14}{load:>14}   {costs}")
    one = sum(found[0].pss_mb)
    ratio = sum(found[-1].pss_mb) / one
    are_equal = len({item.answers for item in found}) == 1
    verdict = "met" if ratio <= GOAL else "NOT MET"
    print(f"two workers that share hold {ratio:.2f} x what one holds (goal {GOAL}: {verdict})")
    print("all answers are equal to the last bit" if are_equal else "ANSWERS DIFFER")
    return 0 if are_equal and ratio <= GOAL else 1


def _listed(values: Sequence[float], digits: int) -> str:
    return " + ".join(f"{value:.{digits}f}" for value in values)


if __name__ == "__main__":
    raise SystemExit(main())
