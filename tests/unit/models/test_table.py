"""The table of docs/models.md."""

from pathlib import Path

from tests.models.catalogue import NOTHING, SUBJECTS
from tests.models.table import DOCUMENT, MODELS, SESSIONS, Row, table, write
from tests.models.trial import Result

FILES = next(subject for subject in SUBJECTS if subject.name == "files")
MARKS = next(subject for subject in SUBJECTS if subject.name == "marks")


def test_table_tells_what_costs_more_than_the_script() -> None:
    text = table(
        [
            Row(NOTHING, "", Result("nothing", True, 0.0, 0.5, 0.375, 2000)),
            Row(FILES, "", Result("files", True, 10.0, 10.5, 0.5, 100)),
            Row(MARKS, "batch-differs", Result("marks", False, 1.0, 2.0, 0.75, 100)),
        ],
        "then and there",
    ).splitlines()

    assert text[0] == "then and there"
    assert text[4] == "| files | `magika==1.0.3` | yes |  | 10 | 10.5 | 1.05 | 0.5 | 1.00 | 100 |"
    assert text[5].endswith("| **no** | refused: `batch-differs` | 1 | 2 | **2.00** | 0.75 | 1.25 | 100 |")
    assert text[-1].startswith("2 models, 1 of them equal to their script; 1 cost a worker at most 1.1 times")
    assert text[-1].endswith(
        "the script, 1 without its loop. A call that does nothing costs it 0.50 ms, 0.38 of them the loop."
    )


def test_table_is_put_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "models.md"
    document.write_text(f"above\n\n{DOCUMENT.read_text(encoding='utf-8')}")

    write("| a |", MODELS, document)
    write("| b |", MODELS, document)
    write("| c |", SESSIONS, document)

    text = document.read_text()
    assert text.startswith("above\n")
    assert "<!-- made by make models -->\n\n| b |\n\n<!-- end -->\n" in text
    assert "<!-- their sessions -->\n\n| c |\n\n<!-- end -->\n" in text
    assert "| a |" not in text


def test_page_shows_every_model() -> None:
    shown = DOCUMENT.read_text(encoding="utf-8")

    assert all(f"\n| {subject.name} |" in shown for subject in SUBJECTS)
