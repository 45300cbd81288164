"""Tries real clients, proxies and load tools: `python -m tests.clients`, or `make clients`.

What cannot be installed on this machine is said, and left out. Ends with status 1 where a case failed.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.clients.cases import NAMES, write_requests
from tests.clients.clients import FAMILIES, CannotInstall, Outcome, run_client
from tests.clients.proxies import PROXIES, ProxyFailed, proxy
from tests.clients.table import table, write
from tests.clients.tools import TOOLS, ToolFailed
from tests.e2e.conftest import ECHO, Stack, serving

PATIENT = ECHO.parents[1] / "tests" / "abilities" / "patient"

#: Through a proxy, one client that keeps its connection and one that closes it.
PROXY_CLIENTS = ("http.client", "urllib")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is asked for; returns the status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help="families, `proxies` and `tools`, by commas")
    parser.add_argument("--cases", default=",".join(NAMES), help="cases, by commas")
    parser.add_argument("--silence", type=float, default=61, help="seconds of the pause of `silence`")
    parser.add_argument("--write", action="store_true", help="put the table into docs/clients.md")
    chosen = parser.parse_args(arguments)
    wanted = chosen.only.split(",") if chosen.only else [*FAMILIES, "proxies", "tools"]
    cases = chosen.cases.split(",")
    with tempfile.TemporaryDirectory(prefix="athena-clients-") as name:
        folder = Path(name)
        write_requests(folder)
        with serving(folder, ECHO, PATIENT) as stack:
            outcomes = dict(_all_clients(wanted, stack, folder, chosen.silence, cases))
            tools = dict(_all_tools(stack, folder)) if "tools" in wanted else {}
    text = table(outcomes, tools, _about(chosen.silence))
    print(text)
    if chosen.write:
        write(text)
    return int(any(one.error for found in outcomes.values() for one in found) or any(tools.values()))


def _all_clients(
    wanted: Sequence[str], stack: Stack, folder: Path, silence_s: float, cases: Sequence[str]
) -> Iterator[tuple[str, list[Outcome]]]:
    for name, family in FAMILIES.items():
        if name not in wanted:
            continue
        try:
            family.install()
        except CannotInstall as error:
            _say(f"{name} is left out: {error}")
            continue
        for client in family.clients:
            _say(f"{name}: {client}")
            # Its answers lie in the URL's service; HTTP/1.0 has no body without a length.
            own = [case for case in cases if (client, case) != ("curl --http1.0", "chunked")]
            yield f"{name}: {client}", run_client(family.command, client, stack.url, folder, silence_s, own)
    if "proxies" in wanted:
        yield from _all_proxies(stack, folder, silence_s, cases)


def _all_proxies(
    stack: Stack, folder: Path, silence_s: float, cases: Sequence[str]
) -> Iterator[tuple[str, list[Outcome]]]:
    command = FAMILIES["python"].command
    for number, name in enumerate(PROXIES):
        try:
            with proxy(name, stack.port, folder / f"proxy{number}") as url:
                for client in PROXY_CLIENTS:
                    _say(f"{name}: {client}")
                    yield f"{name}: {client}", run_client(command, client, url, folder, silence_s, cases)
        except ProxyFailed as error:
            _say(f"{name} is left out: {error}")


def _all_tools(stack: Stack, folder: Path) -> Iterator[tuple[str, str]]:
    for name, run in TOOLS.items():
        _say(f"load: {name}")
        try:
            run(stack.url, folder)
        except (ToolFailed, CannotInstall) as error:
            yield name, str(error)
        else:
            yield name, ""


def _about(silence_s: float) -> str:
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"`make clients`, {when}, Python {platform.python_version()}, a silence of {silence_s:g} s:"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
