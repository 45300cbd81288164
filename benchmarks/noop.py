"""What a request costs when the ability does nothing: `python -m benchmarks.noop`.

The whole stack as `athena serve` starts it, with full validation, the job record and the append-only file,
driven by wrk over kept-alive connections. Beside it, in the same run, a bare HTTP server
(`bare_server.py`): the ratio of the two says what absolute numbers on a shared machine do not.
"""

import argparse
import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import Served, WrkResult, cpu_us_per_request, median_of, run_wrk, served
from tests.ports import free_port

BODY_BYTES = 1024


def main() -> None:
    """Measures and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the rounds as JSON")
    options = parser.parse_args()
    body = request_body()
    with served("echo") as athena, bare_server() as bare_url:
        run_wrk(f"{athena.url}/echo", body, options.clients, 2)
        rounds = [
            measure(athena, bare_url, body, options.clients, options.seconds) for _ in range(options.rounds)
        ]
    print(json.dumps(rounds, indent=2) if options.json else table(rounds, options.clients))


def request_body() -> bytes:
    """Returns a request of 1 KB."""
    request = {
        "header": {"app_id": "bench", "uid": "39769795890", "net_type": "wifi", "status": 3},
        "parameter": {"echo": {"text": {"encoding": "utf8", "compress": "raw", "format": "plain"}}},
        "payload": {"text": {"encoding": "utf8", "status": 3, "text": ""}},
    }
    room = BODY_BYTES - len(json.dumps(request))
    text = base64.b64encode(b"x" * (room // 4 * 3)).decode()
    request["payload"]["text"]["text"] = text  # type: ignore[index]
    return json.dumps(request).encode()


def measure(
    athena: Served, bare_url: str, body: bytes, clients: int, seconds: int
) -> dict[str, dict[str, float]]:
    """Runs Athena and the yardstick one after the other."""
    before = athena.cpu_s()
    result = run_wrk(f"{athena.url}/echo", body, clients, seconds)
    cpu_us = cpu_us_per_request(before, athena.cpu_s(), result.requests)
    bare = run_wrk(bare_url, body, clients, seconds)
    return {"athena": figures(result), "bare": figures(bare), "cpu_us": cpu_us}


def figures(result: WrkResult) -> dict[str, float]:
    """Returns what is kept of a run."""
    return {"rate": result.rate, "p50_ms": result.p50_ms, "p99_ms": result.p99_ms}


@contextmanager
def bare_server() -> Iterator[str]:
    """Runs the yardstick."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare_server", str(port)])
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(url, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def table(rounds: list[dict[str, dict[str, float]]], clients: int) -> str:
    """Returns the medians as text."""
    lines = [f"no-op, {BODY_BYTES} bytes, {clients} clients, median of {len(rounds)} rounds"]
    for name in ("athena", "bare"):
        rate, p50_ms, p99_ms = (
            median_of([item[name][key] for item in rounds]) for key in ("rate", "p50_ms", "p99_ms")
        )
        lines.append(f"  {name:<8} {rate:8.0f} requests/s   p50 {p50_ms:7.2f} ms   p99 {p99_ms:7.2f} ms")
    ratio = median_of([item["athena"]["rate"] / item["bare"]["rate"] for item in rounds])
    lines.append(f"  athena / bare: {ratio:.2f}")
    lines.append("  processor time per request (µs):")
    for part in rounds[0]["cpu_us"]:
        lines.append(f"    {part:<11} {median_of([item['cpu_us'][part] for item in rounds]):7.0f}")
    total = median_of([sum(item["cpu_us"].values()) for item in rounds])
    lines.append(f"    {'all':<11} {total:7.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
