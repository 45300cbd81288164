"""What quotas and TLS cost: `make bench-edges`.

Two stacks of the present build run at the same time, one plain, one with TLS. Each round measures them in an
order that is drawn anew, with 64 clients and requests of 1 KB that do nothing: plain; with quotas that are
never reached; over TLS. What counts is the ratio within a round. Last comes what new
connections cost. A run over TLS begins with a handshake of each client, which short ones are made of.
It takes three minutes, with `ARGS="--rounds 2"` one.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.handshakes import report_handshakes
from benchmarks.harness import ROOT, Served, served
from benchmarks.variants import Goal, measure, read_options, report, run_rounds

FORMS = ("plain", "quota", "tls")

#: Never reached.
LIMITS = ("--requests-per-s", "1000000", "--jobs", "1000000", "--bytes", "100000000000")

GOALS = (Goal("quota", "rate", 0.97),)

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


def main() -> None:
    """Measures and prints a table, or JSON."""
    options = read_options(__doc__)
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        files = make_certificate(Path(folder))
        with served("echo") as plain, served("echo", **files) as secure:
            secure.url = secure.url.replace("http:", "https:")

            def measure_one(form: str) -> dict[str, float]:
                set_quota(plain, form == "quota")
                athena = secure if form == "tls" else plain
                return measure(athena, "", options.clients, options.seconds)

            rounds = run_rounds(FORMS, measure_one, options.rounds)
            connections = report_handshakes(plain, secure)
    print(report(FORMS, rounds, options, GOALS))
    if not options.json:
        print(f"  {connections}")


if __name__ == "__main__":
    main()
