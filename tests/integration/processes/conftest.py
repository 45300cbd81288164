"""Fixtures of tests that own processes."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from athena.supervisor import gpu_watch, supervisor
from athena.supervisor.worker_child import WorkerChild
from tests.integration.processes.host_stage import WORKER, Stage


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    def command(child: WorkerChild) -> Sequence[str]:
        return (sys.executable, "-I", "-S", "-c", WORKER, str(tmp_path))

    driver = ("sh", "-c", f"while cat {tmp_path}/inventory; do sleep 0.05; done")
    monkeypatch.setattr(WorkerChild, "command", command)
    monkeypatch.setattr(gpu_watch, "inventory_command", lambda: driver)
    monkeypatch.setattr(supervisor, "TICK_S", 0.01)
    with Stage(tmp_path) as stage:
        yield stage
