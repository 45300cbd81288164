"""Two builds side by side: what is asked for, and what is kept of it."""

import pytest

from benchmarks.builds import about_builds, install, parse, typed


def test_the_old_revision_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([])
    assert "--old" in capsys.readouterr().err


def test_revision_that_does_not_exist_is_named() -> None:
    with pytest.raises(SystemExit, match="no revision 'nothing-like-it'"):
        install("old", "nothing-like-it")


def test_command_that_is_kept_can_be_typed() -> None:
    assert typed(["--old", "34af608"]) == "make bench-builds OLD=34af608"
    command = ["--old", "34af608", "--rounds", "2", "--out", "docs/benchmarks"]
    assert typed(command) == 'make bench-builds OLD=34af608 ARGS="--rounds 2 --out docs/benchmarks"'


def test_a_run_is_kept_with_both_commits() -> None:
    known = about_builds("make", {"old": "aaa", "new": "bbb"}, 2, 1)

    assert (known["old_commit"], known["commit"], known["rounds"], known["seconds"]) == ("aaa", "bbb", 2, 1)
    assert {"date", "machine", "command"} <= set(known)
