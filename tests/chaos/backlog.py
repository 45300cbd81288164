"""`python -m tests.chaos.backlog`: a long queue, everything restarted in between, and what is left in Redis.

Submits jobs of 10 KB to a paused queue, kills and starts all processes, Redis included, lets the queue go on,
and looks at each job; then waits until records and results have expired and compares Redis' memory.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pybase64

from athena.operations.queues import pause_queues
from athena.operations.steps import run_steps
from athena.store.link import BlockingLink
from tests.chaos.load import Load
from tests.chaos.stage import Stage, ledger_with
from tests.chaos.verdict import judge, open_jobs
from tests.chaos.waiting import wait_for

TTL_S = 60


def main() -> int:
    """Runs it and prints the figures; status 1 if a job was lost or ran wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="athena-backlog-") as name:
        folder = Path(name)
        limits = "[limits]\nmax_queue_jobs = 10000000\nmax_queue_bytes = 100000000000\nmax_queue_s = 36000"
        ability = ledger_with(folder, {"[limits]": limits, "slots = 16": "slots = 64"})
        stage = Stage(folder, [ability], result_ttl_s=str(TTL_S), record_ttl_s=str(TTL_S))
        try:
            stage.start()
            return _run(stage, options.jobs, options.bytes)
        finally:
            stage.stop()


def _run(stage: Stage, jobs: int, size: int) -> int:
    client = stage.redis.client
    load = Load(stage.urls)
    load.submit(1000)
    wait_for(lambda: open_jobs(client) == 0, 60, "the first jobs have ended")
    load.accepted.clear()
    _await_expiry(stage)
    before_mb = used_mb(stage)
    _pause(stage, True)
    text = pybase64.b64encode(b"x" * size).decode()
    submitted_s = _timed(lambda: load.submit(jobs, text=text))
    queued_mb = used_mb(stage)
    restarted_s = _timed(lambda: _restart(stage))
    _pause(stage, False)
    drained_s = _timed(lambda: wait_for(lambda: open_jobs(client) == 0, 3600, "all jobs have ended"))
    verdict = judge(client, load, stage.ledger_path)
    _await_expiry(stage)
    after_mb = used_mb(stage)
    print(f"backlog of {jobs} jobs of {size} bytes")
    print(f"  submitted in       {submitted_s:.1f} s")
    print(f"  all restarted in   {restarted_s:.1f} s")
    print(f"  drained in         {drained_s:.1f} s")
    print(f"  lost               {verdict.lost}")
    print(f"  with two results   {verdict.with_two_results}")
    print(f"  ended wrongly      {verdict.wrong}")
    print(f"  begun twice        {verdict.run_twice}")
    print(f"  final states       {verdict.states}")
    print(f"  Redis' memory      {before_mb:.1f} MB before, {queued_mb:.1f} MB full, {after_mb:.1f} MB after")
    return int(bool(verdict.lost or verdict.with_two_results or verdict.wrong or verdict.run_twice))


def _pause(stage: Stage, pause: bool) -> None:
    link = BlockingLink(stage.redis.url, 10)
    run_steps(pause_queues(["ledger"], pause), link.execute)
    link.close()


def _restart(stage: Stage) -> None:
    """Kills everything, and starts it again."""
    for host in (stage.near, stage.far, stage.gateway):
        host.kill()
    stage.redis.kill()
    stage.redis.start()
    for host in (stage.near, stage.far, stage.gateway):
        host.start()
    wait_for(stage.is_up, 120, "all serve again")


def _await_expiry(stage: Stage) -> None:
    """Waits until no record is left."""
    client = stage.redis.client
    time.sleep(TTL_S)
    wait_for(lambda: next(client.scan_iter("athena:job:*", 1000), None) is None, 120, "records have expired")
    wait_for(lambda: client.zcard("athena:ended:ledger") == 0, 120, "the list of ended jobs is empty")


def _timed(do: Callable[[], object]) -> float:
    began_s = time.monotonic()
    do()
    return time.monotonic() - began_s


def used_mb(stage: Stage) -> float:
    """Returns how much memory Redis uses for data."""
    return float(stage.redis.client.info("memory")["used_memory"]) / 1e6


if __name__ == "__main__":
    sys.exit(main())
