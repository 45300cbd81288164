"""System calls of one call: what a call costs, and of which build."""

from pathlib import Path

from benchmarks.harness import ROOT
from benchmarks.one_call.system_calls import ability_of, per_call, table


def test_a_build_serves_its_own_ability() -> None:
    assert ability_of("/builds/old/.venv/bin/python") == Path("/builds/old/abilities/echo")
    assert ability_of(str(ROOT / ".venv" / "bin" / "python")) == ROOT / "abilities" / "echo"


def test_what_is_done_without_calls_is_taken_off() -> None:
    assert per_call({"read": 30, "futex": 100}, {"read": 10}, 10) == {"futex": 10, "read": 2}


def test_the_table_adds_up() -> None:
    lines = table({"gateway": {"read": 2.0, "getpid": 0.09}, "redis": {"write": 1.0}}).splitlines()

    assert lines[2] == "| gateway | 2.1 | read 2.0 |"
    assert lines[-1] == "| all | 3.1 | |"
