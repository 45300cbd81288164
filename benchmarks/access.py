"""What keys cost: `make bench-access`.

Two stacks of the present build run at the same time, one open, one with keys. Each round measures them in an
order that is drawn anew, with 64 clients and requests of 1 KB that do nothing: without a key; with a bearer
key; with signatures in the query, which change each second as a client's clock does; and with signed digests,
where each request has a body and a signature of its own. What counts is the ratio of processor time within a
round. It takes three minutes, with `ARGS="--rounds 2"` one.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from athena.protocol.signature import signed_headers, signed_url
from benchmarks.harness import ROOT, Served, served
from benchmarks.noop import request_body
from benchmarks.variants import Goal, measure, read_options, report, run_rounds

SEAL_KEY = "a seal of the benchmark, not secret"
KEYS_ON = {"ATHENA_ACCESS": "keys", "ATHENA_SEAL_KEY": SEAL_KEY}
APP_ID = "bench"

#: More requests a second than any machine here answers.
MAX_RATE = 12_000

#: A function of Lua has 65,536 constants at most, so no more requests are named in one.
CHUNK = 2000

#: Before the first request of a run, and after its last one.
SPARE_S = 10


@dataclass(frozen=True)
class Key:
    """A key of the application."""

    token: str
    api_key: str
    secret: str


def make_key(athena: Served) -> Key:
    """Makes the application, as an operator does."""
    command = [sys.executable, "-P", "-m", "athena", "keys", "create", APP_ID, "--json", "--data"]
    done = subprocess.run(
        [*command, str(athena.data_dir)],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={"ATHENA_SEAL_KEY": SEAL_KEY},
    )
    made = json.loads(done.stdout)
    return Key(made["key"], made["api_key"], made["api_secret"])


def open_script(url: str, body: bytes, key: Key, seconds: int) -> str:
    """Returns nothing more: requests without a key."""
    return ""


def bearer_script(url: str, body: bytes, key: Key, seconds: int) -> str:
    """Returns what sends the key itself."""
    return f'wrk.headers["Authorization"] = "Bearer {key.token}"\n'


def query_script(url: str, body: bytes, key: Key, seconds: int) -> str:
    """Returns what signs with the date of each second."""
    first_s = int(time.time()) - 1
    signed = [
        signed_url(url, "POST", key.api_key, key.secret, first_s + number)
        for number in range(seconds + SPARE_S)
    ]
    paths = ", ".join(json.dumps(one[one.index("/", len("http://")) :]) for one in signed)
    return (
        f"local paths = {{{paths}}}\n"
        f"request = function() return wrk.format(nil, paths[os.time() - {first_s - 1}]) end\n"
    )


def digest_script(url: str, body: bytes, key: Key, seconds: int) -> str:
    """Returns what signs each body; each is another one."""
    lines = ["local all = {}"]
    document = json.loads(body)
    for number in range(MAX_RATE * seconds):
        document["header"]["uid"] = f"{number:011d}"
        own = json.dumps(document).encode()
        headers = signed_headers(url, "POST", own, key.api_key, key.secret)
        del headers["Host"]
        members = ", ".join(f"[{json.dumps(name)}] = {json.dumps(text)}" for name, text in headers.items())
        lines.append(f"all[{number}] = {{{json.dumps(own.decode())}, {{{members}}}}}")
    chunks = [lines[first : first + CHUNK] for first in range(1, len(lines), CHUNK)]
    return "\n".join(
        [
            lines[0],
            *(";(function()\n" + "\n".join(chunk) + "\nend)()" for chunk in chunks),
            "local at = -1",
            "request = function()",
            "  at = at + 1",
            '  all[at][2]["Content-Type"] = "application/json"',
            "  return wrk.format(nil, nil, all[at][2], all[at][1])",
            "end",
            "",
        ]
    )


#: How requests are sent, and whether to the stack with keys.
FORMS: dict[str, tuple[bool, Callable[[str, bytes, Key, int], str]]] = {
    "open": (False, open_script),
    "bearer": (True, bearer_script),
    "signed": (True, query_script),
    "digest": (True, digest_script),
}


GOALS = (Goal("bearer", "cpu_us", 1.05), Goal("signed", "cpu_us", 1.12), Goal("digest", "cpu_us", 1.12))


def main() -> None:
    """Measures and prints a table, or JSON."""
    options = read_options(__doc__)
    with served("echo") as without, served("echo", **KEYS_ON) as closed:
        key = make_key(closed)
        # Within this time the gateway has heard of the key.
        time.sleep(2)

        def measure_one(form: str) -> dict[str, float]:
            has_keys, script = FORMS[form]
            athena = closed if has_keys else without
            lines = script(f"{athena.url}/echo", request_body(), key, options.seconds)
            return measure(athena, lines, options.clients, options.seconds)

        rounds = run_rounds(list(FORMS), measure_one, options.rounds)
    print(report(list(FORMS), rounds, options, GOALS))


if __name__ == "__main__":
    main()
