"""The table of docs/models.md."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.house import ROOT
from tests.models.catalogue import NOTHING, Subject, versions
from tests.models.trial import CLIENTS, Result

DOCUMENT = ROOT / "docs" / "models.md"

#: What the document holds between two marks.
BLOCK = r"(?s)(<!-- {} -->\n).*?(<!-- end -->)"
MODELS, SESSIONS = "made by make models", "their sessions"

#: What serving may cost beside a plain script.
MOST = 1.1

HEADS = (
    "model",
    "packages",
    "equal",
    "batches",
    "script ms",
    "worker ms",
    "ratio",
    "loop ms",
    "without loop",
    "calls",
)


class Row(NamedTuple):
    """A model, what `athena check` says of its batches, and how it compares."""

    subject: Subject
    batches: str
    result: Result


def table(rows: Sequence[Row], about: str) -> str:
    """Returns how models compare, as Markdown.

    Args:
        rows: them; the first is of no model.
        about: when and where they were measured.
    """
    models = [row for row in rows if row.subject is not NOTHING]
    lines = [about, "", _line(HEADS), _line(["---", "---", "---", "---", *["---:"] * 6])]
    lines += [_line(_cells(row)) for row in models]
    equal = sum(row.result.is_equal for row in models)
    cheap = sum(_ratio(row.result) <= MOST for row in models)
    like_script = sum(_ratio_without_loop(row.result) <= MOST for row in models)
    nothing = rows[0].result
    lines += [
        "",
        f"{len(models)} models, {equal} of them equal to their script; {cheap} cost a worker at most "
        f"{MOST:g} times what they cost the script, {like_script} without its loop. A call that does nothing "
        f"costs it {nothing.worker_ms:.2f} ms, {nothing.loop_ms:.2f} of them the loop.",
    ]
    return "\n".join(lines)


def explained(machine: str) -> str:
    """Returns the line above the table."""
    return f"{machine}; {CLIENTS} clients, one worker a model, CPU of a call; `make models`"


def _cells(row: Row) -> list[str]:
    result = row.result
    ratio = f"{_ratio(result):.2f}"
    return [
        row.subject.name,
        f"`{next(versions(row.subject))}`" if row.subject.packages else "`rapidocr`, Athena's own",
        "yes" if result.is_equal else "**no**",
        {"": "", "equal": f"equal within {row.subject.tolerance:g}", "unproven": "unproven"}.get(
            row.batches, f"refused: `{row.batches}`"
        ),
        _ms(result.script_ms),
        _ms(result.worker_ms),
        ratio if _ratio(result) <= MOST else f"**{ratio}**",
        _ms(result.loop_ms),
        f"{_ratio_without_loop(result):.2f}",
        str(result.calls),
    ]


def _ratio(result: Result) -> float:
    return result.worker_ms / result.script_ms


def _ratio_without_loop(result: Result) -> float:
    return (result.worker_ms - result.loop_ms) / result.script_ms


def _ms(value: float) -> str:
    return f"{value:.3g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(text: str, mark: str, document: Path = DOCUMENT) -> None:
    """Puts a table into the document, behind a mark."""
    found = document.read_text(encoding="utf-8")
    filled = re.sub(BLOCK.format(mark), lambda block: f"{block[1]}\n{text}\n\n{block[2]}", found)
    document.write_text(filled, encoding="utf-8")
