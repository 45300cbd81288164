"""Several gateways and workers on one Redis."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.harness import run_wrk, served
from benchmarks.scale.stack import BODY, Usage, client_of, gate_ability, more_gateways

CLIENTS = 64

#: Gateways and workers.
SIZES = ((1, 1), (2, 2))


def measure(seconds: int) -> dict[str, object]:
    """Measures throughput and what a job costs Redis, for one gateway and worker and for several."""
    return {f"{gateways} x {workers}": _measure(gateways, workers, seconds) for gateways, workers in SIZES}


def _measure(gateways: int, workers: int, seconds: int) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="athena-bench-") as name,
        served(gate_ability(Path(name), cpu_workers=workers)) as athena,
        more_gateways(athena, gateways - 1) as others,
        ThreadPoolExecutor(gateways) as pool,
    ):
        client = client_of(athena)
        urls = [athena.url, *(url for url, _ in others)]

        def ask(url: str, for_s: int) -> int:
            return run_wrk(f"{url}/gate", BODY, CLIENTS, for_s).requests

        list(pool.map(ask, urls, [2] * len(urls)))
        before = Usage.now(athena, client, [process for _, process in others])
        jobs = sum(pool.map(ask, urls, [seconds] * len(urls)))
        after = Usage.now(athena, client, [process for _, process in others])
        return {
            "jobs_per_s": jobs / (after.at_s - before.at_s),
            **{
                f"{part}_us_per_job": (after.cpu_s[part] - before.cpu_s[part]) / jobs * 1e6
                for part in sorted(after.cpu_s)
            },
            "redis_is_full_at_jobs_per_s": jobs / (after.cpu_s["redis"] - before.cpu_s["redis"]),
        }
