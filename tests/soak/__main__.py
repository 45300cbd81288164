"""`python -m tests.soak --minutes 60 --rate 170`: ordinary load on a real `athena serve`, and what it took.

Ends by itself, with status 1 if a worker or a gateway ended, if an answer was another than its request may
get, if none came in time or a connection broke, or if a process grew from the middle to the end of a run of
20 minutes or more.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.deaths import Deaths
from tests.chaos.waiting import wait_for
from tests.ports import free_port
from tests.soak.load import Load
from tests.soak.processes import Reading, read_processes
from tests.soak.report import Report

ROOT = Path(__file__).resolve().parents[2]
ABILITIES = ROOT / "abilities"
START_TIMEOUT_S = 180.0

#: The first reading is made when caches are warm.
WARM_S = 60.0

#: Records and results go after so many seconds, or Redis would grow for a day.
TTL_S = 300


def main() -> int:
    """Runs a soak and prints what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=170, help="requests a second, pictures not counted")
    parser.add_argument("--ocr-rate", type=float, default=1, help="pictures a second; 0: mmocr is not served")
    parser.add_argument("--seed", type=int, default=1, help="of the order of requests")
    parser.add_argument("--log", type=Path, help="keep what athena serve says in this file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    # Whoever ends this ends all that it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="athena-soak-") as folder:
        report = soak(Path(folder), options)
    print(json.dumps(report.document()) if options.json else report.text())
    return int(not report.is_good)


def soak(folder: Path, options: argparse.Namespace) -> Report:
    """Starts everything, keeps it busy, and ends it."""
    log_path = options.log or folder / "serve.log"
    names = ["echo"] + ["mmocr"] * (options.ocr_rate > 0)
    port = free_port()
    process = _serve(folder, log_path, names, port)
    try:
        wait_for(lambda: _is_ready(process, log_path), START_TIMEOUT_S, f"ready; see {log_path}")
        deaths = Deaths({"serve": log_path})
        deaths.start()
        load = Load(
            f"http://127.0.0.1:{port}",
            options.rate,
            options.ocr_rate,
            ABILITIES / "mmocr" / "picture.jpg",
            random.Random(options.seed),
        )
        try:
            readings = asyncio.run(_run(load, process.pid, options.minutes * 60))
        finally:
            deaths.stop()
    finally:
        _stop(process)
    return Report.of(load, readings, deaths.ends, options.minutes * 60)


def _serve(folder: Path, log_path: Path, names: list[str], port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "athena", "serve", "--port", str(port)]
    command += ["--flower-port", str(free_port()), "--data", str(folder / "data")]
    command += [item for name in names for item in ("--ability", str(ABILITIES / name))]
    ttls = {name: str(TTL_S) for name in ("ATHENA_RECORD_TTL_S", "ATHENA_RESULT_TTL_S")}
    with log_path.open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **ttls},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_ready(process: "subprocess.Popen[bytes]", log_path: Path) -> bool:
    said = log_path.read_text(errors="replace")
    if process.poll() is not None:
        raise SystemExit(f"athena serve ended:\n{said}")
    return "athena: ready after" in said


async def _run(load: Load, pid: int, seconds: float) -> list[Reading]:
    """Returns what the processes took at the beginning, in the middle and at the end of the load."""
    began_s = time.monotonic()
    running = asyncio.ensure_future(load.run(seconds))
    readings = []
    for at_s in (min(WARM_S, seconds / 10), seconds / 2, seconds):
        await asyncio.sleep(max(0.0, began_s + at_s - time.monotonic()))
        readings.append(await asyncio.to_thread(read_processes, pid, time.monotonic()))
    await running
    return readings


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(90)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
