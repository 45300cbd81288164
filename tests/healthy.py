"""`python -m tests.healthy --minutes 60`: ordinary load beside a real Prometheus; no alert may fire.

The rules are those that are shipped. Prints what Prometheus has noted of alerts, and what was sent; the exit
status is 1 if an alert fired, or if an answer was another than its request may get.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.e2e.conftest import ROOT
from tests.e2e.observed import ObservedStack, observing
from tests.prometheus import Prometheus
from tests.soak.load import Load

ABILITIES = ROOT / "abilities"

#: So often alerts are looked at, beside what Prometheus itself remembers.
LOOK_S = 5.0


def main() -> int:
    """Runs the load and prints what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=5, help="requests a second")
    parser.add_argument("--seed", type=int, default=1, help="of the order of requests")
    options = parser.parse_args()
    # Whoever ends this ends all that it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = tempfile.TemporaryDirectory(prefix="athena-healthy-")
    with folder, observing(Path(folder.name), ABILITIES / "echo") as stack:
        load = Load(stack.url, options.rate, 0, ABILITIES, random.Random(options.seed))
        seen = asyncio.run(_run(load, stack, options.minutes * 60))
        noted = _noted(stack.prometheus, options.minutes)
    print(f"{options.minutes:g} minutes, {_sent(load)}")
    for name in sorted(noted | seen):
        print(f"fired: {name}")
    wrong = [f"{kind}: {text}" for kind, tally in load.tallies.items() for text in tally.wrong]
    print("\n".join(wrong or ["each answer was one that its request may get"]))
    print("no alert has fired" if not noted | seen else f"{len(noted | seen)} alerts have fired")
    return int(bool(noted | seen or wrong))


async def _run(load: Load, stack: ObservedStack, seconds: float) -> set[str]:
    """Returns the alerts that were seen to fire during the load."""
    running = asyncio.ensure_future(load.run(seconds))
    seen: set[str] = set()
    while not running.done():
        await asyncio.wait([running], timeout=LOOK_S)
        for name, alerts in (await asyncio.to_thread(stack.prometheus.firing)).items():
            if name not in seen:
                print(
                    f"{time.strftime('%H:%M:%S')} {name}: {alerts[0]['annotations']['summary']}", flush=True
                )
            seen.add(name)
    await running
    return seen


def _noted(prometheus: Prometheus, minutes: float) -> set[str]:
    """Returns the alerts that Prometheus has noted as firing at any time."""
    window = f"{max(1, int(minutes) + 5)}m"
    found = prometheus.query(f'count_over_time(ALERTS{{alertstate="firing"}}[{window}])')
    return {series["metric"]["alertname"] for series in found}


def _sent(load: Load) -> str:
    statuses: Counter[int] = Counter()
    for tally in load.tallies.values():
        statuses += tally.statuses
    shown = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    others = f"{load.hung} hung, {load.broken} broken, {load.not_sent} not sent"
    return f"{statuses.total()} answers ({shown}), {others}"


if __name__ == "__main__":
    sys.exit(main())
