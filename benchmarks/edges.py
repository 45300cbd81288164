"""What quotas and TLS cost: `make bench-edges`.

Two stacks of the present build run at the same time, one plain, one with TLS. Each round measures them in an
order that is drawn anew, with 64 clients and requests of 1 KB that do nothing: plain; with quotas that are
never reached; over TLS. What counts is the ratio within a round.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.access import measure
from benchmarks.harness import ROOT, Served, served

FORMS = ("plain", "quota", "tls")

#: Never reached.
LIMITS = ("--requests-per-s", "1000000", "--jobs", "1000000", "--bytes", "100000000000")

#: The app of the requests that are sent.
APP_ID = "bench"

#: Within this time gateways have heard of a change.
KNOWN_S = 2


def set_quota(athena: Served, is_on: bool) -> None:
    """Gives the application a quota, or takes it away."""
    verb = ["set", APP_ID, *LIMITS] if is_on else ["rm", APP_ID]
    command = [sys.executable, "-P", "-m", "athena", "quotas", *verb, "--data", str(athena.data_dir)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    time.sleep(KNOWN_S)


def make_certificate(folder: Path) -> dict[str, str]:
    """Makes a certificate of its own authority; returns the settings that name it."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(
        [*command, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
    )
    names = {"ATHENA_TLS_CERT_FILE": "cert.pem", "ATHENA_TLS_KEY_FILE": "key.pem"}
    return {variable: str(folder / name) for variable, name in names.items()}


def table(rounds: Sequence[dict[str, dict[str, float]]], clients: int) -> str:
    """Returns medians, and ratios to the plain requests of the same round."""
    lines = [f"no-op, {clients} clients, median of {len(rounds)} rounds; ratios within a round"]
    for form in FORMS:
        rate, cpu_us, p99_ms = (
            median(one[form][name] for one in rounds) for name in ("rate", "cpu_us", "p99_ms")
        )
        rates = sorted(one[form]["rate"] / one["plain"]["rate"] for one in rounds)
        cpus = sorted(one[form]["cpu_us"] / one["plain"]["cpu_us"] for one in rounds)
        lines.append(
            f"  {form:<6} {rate:7.0f} requests/s ({median(rates):.3f} x, {rates[0]:.3f} to {rates[-1]:.3f})"
            f"  {cpu_us:6.0f} µs a request ({median(cpus):.3f} x, {cpus[0]:.3f} to {cpus[-1]:.3f})"
            f"  p99 {p99_ms:.1f} ms"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    draw, rounds = random.Random(7), []
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        files = make_certificate(Path(folder))
        with served("echo") as plain, served("echo", **files) as secure:
            secure.url = secure.url.replace("http:", "https:")
            for number in range(options.rounds + 1):
                figures = {}
                for form in draw.sample(FORMS, len(FORMS)):
                    set_quota(plain, form == "quota")
                    athena = secure if form == "tls" else plain
                    figures[form] = measure(athena, "", options.clients, options.seconds)
                # The first one warms up.
                if number:
                    rounds.append(figures)
    print(table(rounds, options.clients))


if __name__ == "__main__":
    main()
