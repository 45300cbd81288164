"""`breakpoint()` in a worker, where nobody sits at a terminal."""

import sys

import pytest

from workers.runtime.process.guards import explain_breakpoints


def test_breakpoint_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "breakpointhook", sys.breakpointhook)

    explain_breakpoints({})

    with pytest.raises(RuntimeError, match="athena run DIR"):
        breakpoint()


def test_what_somebody_has_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = sys.breakpointhook
    monkeypatch.setattr(sys, "breakpointhook", hook)

    explain_breakpoints({"PYTHONBREAKPOINT": "0"})

    assert sys.breakpointhook is hook
