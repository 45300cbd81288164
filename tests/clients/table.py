"""The table of docs/clients.md."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clients.cases import CASES, NAMES
from tests.clients.clients import ROOT, Outcome

DOCUMENT = ROOT / "docs" / "clients.md"
BLOCK = re.compile(r"(?s)(<!-- made by make clients -->\n).*?(<!-- end -->)")

OK, FAILED, UNTRIED = "yes", "**no**", "-"


def table(outcomes: Mapping[str, Sequence[Outcome]], tools: Mapping[str, str], about: str) -> str:
    """Returns the outcomes as Markdown.

    Args:
        outcomes: of each client, of each case that it was asked for.
        tools: the error of each load tool, empty where all went well.
        about: when, where and with which versions it was made.
    """
    lines = [about, "", f"| client | {' | '.join(NAMES)} |", f"| --- |{' :-: |' * len(NAMES)}"]
    for client, found in outcomes.items():
        words = {one.case: FAILED if one.error else OK for one in found}
        lines.append(f"| {client} | {' | '.join(words.get(name, UNTRIED) for name in NAMES)} |")
    lines += ["", "| load tool | all calls answered |", "| --- | :-: |"]
    lines += [f"| {name} | {FAILED if error else OK} |" for name, error in tools.items()]
    errors = {f"{client}, {one.case}": one.error for client, found in outcomes.items() for one in found}
    failed = [f"* {what}: {error}" for what, error in {**errors, **tools}.items() if error]
    if failed:
        lines += ["", "What failed:", "", *failed]
    return "\n".join(lines)


def legend() -> str:
    """Returns what the columns mean, as Markdown."""
    return "\n".join(f"* `{case.name}`: {case.meaning}" for case in CASES)


def write(text: str, document: Path = DOCUMENT) -> None:
    """Puts the table and the legend into the document."""
    filled = f"\n{text}\n\nThe columns:\n\n{legend()}\n\n"
    document.write_text(BLOCK.sub(lambda block: block[1] + filled + block[2], document.read_text()))
