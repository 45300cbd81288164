"""Load at a fixed rate, with latencies from the time at which each request should have left.

A closed loop sends less while the server is slow, and so asks few of the requests that would have waited
("coordinated omission"). Here the times are drawn beforehand, as of independent callers, and a late request
counts from its own time. The sender is `openloop.c`: it needs a few microseconds a request, which leaves the
cores to the servers.
"""

import array
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import percentile

SOURCE = Path(__file__).with_name("openloop.c")

#: More than any server here answers at once; a request that finds none free waits for one.
CONNECTIONS = 1000


@dataclass(frozen=True)
class Answered:
    """What became of a request: nanoseconds after the start of the run."""

    intended_ns: int
    sent_ns: int
    done_ns: int

    @property
    def latency_ms(self) -> float:
        """The time that a caller has waited who wanted to send when it was intended."""
        return (self.done_ns - self.intended_ns) / 1e6

    @property
    def late_ms(self) -> float:
        """The time for which no connection was free, or the sender was late."""
        return (self.sent_ns - self.intended_ns) / 1e6


def arrivals(rate: float, seconds: float, seed: int) -> list[int]:
    """Returns send times in nanoseconds: independent callers that come to `rate` requests a second."""
    draw = random.Random(seed)
    times: list[int] = []
    at_s = draw.expovariate(rate)
    while at_s < seconds:
        times.append(int(at_s * 1e9))
        at_s += draw.expovariate(rate)
    return times or [0]


def http_request(url: str, body: bytes) -> bytes:
    """Returns a whole request."""
    where = urlsplit(url)
    head = (
        f"POST {where.path or '/'} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def build(folder: Path) -> Path:
    """Compiles the sender.

    Raises:
        SystemExit: there is no C compiler.
    """
    program = folder / "openloop"
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("no C compiler: run scripts/install-cc.sh")
    command = [compiler, "-O2", "-Wall", "-D_GNU_SOURCE", "-o", str(program), str(SOURCE)]
    subprocess.run(command, check=True)
    return program


def send(
    program: Path, url: str, body: bytes, times: Sequence[int], connections: int = CONNECTIONS
) -> list[Answered]:
    """Sends requests at the given times.

    Raises:
        SystemExit: an answer is missing, or is not a success.
    """
    port = urlsplit(url).port
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as name:
        folder = Path(name)
        (folder / "times").write_bytes(array.array("q", times).tobytes())
        (folder / "request").write_bytes(http_request(url, body))
        paths = [str(folder / part) for part in ("times", "request", "result")]
        done = subprocess.run(
            [str(program), str(port), str(connections), *paths], capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{url}: {done.stderr}")
        result = array.array("q", (folder / "result").read_bytes())
    return pair(times, result)


def pair(times: Sequence[int], result: Sequence[int]) -> list[Answered]:
    """Puts the times that were intended beside those that the sender has written down.

    Raises:
        ValueError: a request has no answer.
    """
    if len(result) != 2 * len(times):
        raise ValueError(f"{len(times)} requests, but {len(result) / 2:g} results")
    return [
        Answered(intended, result[2 * index], result[2 * index + 1]) for index, intended in enumerate(times)
    ]


def summary(answered: Sequence[Answered]) -> dict[str, float]:
    """Returns the figures of a run."""
    latencies = [item.latency_ms for item in answered]
    took_s = max(item.done_ns for item in answered) / 1e9
    return {
        "rate": len(answered) / took_s,
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "max_ms": max(latencies),
        "late_p99_ms": percentile([item.late_ms for item in answered], 99),
    }
