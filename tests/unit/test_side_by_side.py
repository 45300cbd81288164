"""Tests that run side by side: their order, their reports, their ports."""

import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import ports
from tests.side_by_side import begin_with_the_longest, sendable, worker_count


def item(path: str) -> Any:
    return SimpleNamespace(path=Path("/tests") / path)


def test_longest_files_begin_and_stay_as_they_are() -> None:
    names = [
        "unit/a.py",
        "integration/b.py",
        "e2e/d.py",
        "e2e/c.py",
        "integration/processes/e.py",
        "unit/f.py",
    ]
    items = [item(name) for name in names]

    begin_with_the_longest(items, Path("/tests"))

    found = [one.path.relative_to("/tests").as_posix() for one in items]
    assert found == [
        *("e2e/d.py", "e2e/c.py"),
        *("integration/b.py", "integration/processes/e.py"),
        *("unit/a.py", "unit/f.py"),
    ]


@pytest.mark.parametrize(
    ("cores", "waiting", "workers"), [(1, True, 2), (1, False, 1), (2, True, 3), (2, False, 2), (64, True, 8)]
)
def test_workers_by_cores(cores: int, waiting: bool, workers: int) -> None:
    assert worker_count(cores, waiting) == workers


def test_report_with_hostile_text_can_be_sent() -> None:
    report = {
        "sections": [("Captured log", "half \ud83d")],
        "duration": 0.5,
        "keywords": {"\ud83d": 1},
        "x": None,
    }

    sent = sendable(report)

    assert sent["sections"] == [("Captured log", "half \\ud83d")]
    assert (sent["duration"], sent["keywords"], sent["x"]) == (0.5, {"\\ud83d": 1}, None)


def test_port_is_given_out_once() -> None:
    given = [ports.free_port() for _ in range(20)]

    assert len(set(given)) == 20
    assert all(ports.FIRST <= port <= ports.LAST for port in given)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Leaves one port to choose from."""

    def leave(port: int) -> None:
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)

    return leave


def test_port_that_was_given_to_somebody_is_passed_over(only: Callable[[int], None]) -> None:
    only(port := ports.free_port())

    with pytest.raises(OSError, match=f"no port from {port} to {port} is free"):
        ports.free_port()


def test_port_that_somebody_listens_on_is_passed_over(only: Callable[[int], None]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        only(other.getsockname()[1])

        with pytest.raises(OSError, match="is free"):
            ports.free_port()
