"""`athena logs`: times, lines and what it says where nothing is."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pytest

from athena import cli
from athena.cli.operate.logs import line_of, since


def test_since_a_duration_or_a_time() -> None:
    then = datetime.fromisoformat(since("90m"))

    assert 5390 < (datetime.now(UTC) - then).total_seconds() < 5460
    assert since("2026-11-29T03:00:00+01:00") == "2026-11-29T02:00:00.000+00:00"
    assert since("") == ""


@pytest.mark.parametrize("text", ["soon", "10", "-5m", "5 weeks", "9999999d", "2026-13-01"])
def test_since_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time: 10m, 2h, 1d"):
        since(text)


def test_line_for_people() -> None:
    record = {"ts": "T", "level": "error", "worker": "w@h", "job_id": "j", "attempt": 2, "msg": "a\nb"}

    assert (
        line_of({**record, "stack": "trace\nback"}) == "T ERROR   w@h job j (run 2): a\n  b\n  trace\n  back"
    )
    assert line_of({"ts": "T", "level": "info", "process": "gateway", "msg": "x"}) == "T INFO    gateway: x"


def test_no_folder_is_named_with_its_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["logs", "--data", str(tmp_path)]) == 78
    assert f"no log files in {tmp_path}/logs: name a data folder with --data" in capsys.readouterr().err
