"""What the queue costs an ability that computes: `python -m benchmarks.ocr`.

Pictures a second that two HTTP clients get from `athena serve`, against a bare loop over the same wrapper,
and so the same ONNX sessions, in a process of its own. The two take turns in one run.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import requests

from benchmarks.harness import ROOT, median_of, served

ABILITY = ROOT / "abilities" / "mmocr"


def main() -> None:
    """Measures and prints the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    picture = (ABILITY / "picture.jpg").read_bytes()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    loop = context.Process(target=bare_loop, args=(there, picture), daemon=True)
    loop.start()
    there.close()  # so that a loop that fails is noticed
    here.recv()
    with served("mmocr") as athena:
        rounds = []
        for _ in range(options.rounds):
            queued = served_rate(athena.url, options.clients, options.seconds)
            here.send(options.seconds)
            rounds.append((queued, float(here.recv())))
    here.send(None)
    loop.join()
    print(table(rounds, options.clients))


def served_rate(url: str, clients: int, seconds: float) -> float:
    """Returns the pictures a second that clients get over HTTP."""
    request = json.loads((ABILITY / "example.json").read_bytes())
    began_s = time.monotonic()
    counts = [0] * clients

    def call(index: int) -> None:
        session = requests.Session()
        while time.monotonic() - began_s < seconds:
            session.post(f"{url}/mmocr", json=request, timeout=120).raise_for_status()
            counts[index] += 1

    threads = [threading.Thread(target=call, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began_s)


def bare_loop(pipe: Connection, picture: bytes) -> None:
    """Loads the wrapper as a worker does, then runs it for as many seconds as it is told."""
    from athena.ability.manifest import load_ability
    from athena.sdk import DataListCls, DataListNode

    os.chdir(ABILITY)
    sys.path.insert(0, str(ABILITY))
    spec = importlib.util.spec_from_file_location("wrapper", ABILITY / "wrapper.py")
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules["wrapper"] = module
    spec.loader.exec_module(module)
    wrapper = module.Wrapper()
    assert wrapper.wrapperInit(load_ability(ABILITY).config) == 0
    node = DataListNode("data", picture, 2)
    wrapper.wrapperOnceExec({}, DataListCls([node]))
    pipe.send("ready")
    while (seconds := pipe.recv()) is not None:
        began_s = time.monotonic()
        count = 0
        while time.monotonic() - began_s < seconds:
            assert wrapper.wrapperOnceExec({}, DataListCls([node])).error_code == 0
            count += 1
        pipe.send(count / (time.monotonic() - began_s))
    wrapper.wrapperFini()


def table(rounds: list[tuple[float, float]], clients: int) -> str:
    """Returns the medians as text."""
    queued = median_of([item[0] for item in rounds])
    bare = median_of([item[1] for item in rounds])
    ratio = median_of([item[0] / item[1] for item in rounds])
    return (
        f"mmocr, {clients} clients, median of {len(rounds)} rounds\n"
        f"  served    {queued:6.2f} pictures/s\n"
        f"  bare loop {bare:6.2f} pictures/s\n"
        f"  served / bare loop: {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
