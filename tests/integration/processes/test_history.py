"""The file of a run, and the program that checks it."""

import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from tests.chaos.history import History, read_lines
from tests.unit.chaos.forge import Lines, line_of, well

ROOT = Path(__file__).resolve().parents[3]


def check(path: Path) -> tuple[int, str]:
    """Runs the checker as a sceptic does; returns its status and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.check", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def write(path: Path, lines: Lines) -> Path:
    """Writes lines as they are."""
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def test_what_threads_note_is_read_line_by_line(tmp_path: Path) -> None:
    def tell(name: int) -> None:
        for number in range(100):
            history.note("call", call=number, job=str(name))

    with History(tmp_path / "history") as history:
        threads = [threading.Thread(target=tell, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = list(read_lines(tmp_path / "history"))

    assert len(lines) == 400
    for name in range(4):
        mine = [line for line in lines if line["job"] == str(name)]
        assert [line["call"] for line in mine] == list(range(100))
        assert [line["at"] for line in mine] == sorted(line["at"] for line in mine)


def test_checker_passes_a_good_history_and_says_how_much_it_saw(tmp_path: Path) -> None:
    status, said = check(write(tmp_path / "good", well()))

    assert status == 0, said
    assert "2 faults" in said
    assert "BROKEN" not in said


def test_checker_names_the_broken_promise_and_the_job(tmp_path: Path) -> None:
    lines = well()
    line_of(lines, "final", job="zombie")["result"] = "r5.dzombie"

    status, said = check(write(tmp_path / "bad", lines))

    assert status == 1
    assert "BROKEN 1    A final state or a result once seen never changes" in said
    assert "zombie: succeeded r6.dzombie, then succeeded r5.dzombie" in said


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"{}\n", "1: not a line of a history"),
        (b'{"is":"settings","seed":1}\n{"is":\n', "2: not a line of a history"),
        (b'{"is":"rumour"}\n', "'rumour'"),
        (b"", "its first line must be of kind 'settings'"),
    ],
)
def test_checker_says_what_is_no_history(tmp_path: Path, content: bytes, place: str) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)

    status, said = check(path)

    assert status == 2
    assert place in said
    assert "--history FILE" in said


def test_checker_says_that_a_file_is_missing(tmp_path: Path) -> None:
    status, said = check(tmp_path / "missing")

    assert status == 2
    assert "No such file" in said


def test_checker_takes_no_word_of_the_code_that_it_judges() -> None:
    look = "import sys, tests.chaos.check; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert not {"athena", "api", "workers", "redis", "celery"} & set(done.stdout.split())
    assert "tests" in done.stdout.split()
