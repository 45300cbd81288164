"""docs/clients.md is walked through: from Python, and from a shell."""

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.walk import Terminal

pytestmark = pytest.mark.e2e


def test_newcomer_calls_from_python_and_from_a_shell(tmp_path: Path) -> None:
    port = str(free_port())
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8").replace("30889", port)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "ATHENA_PORT": port,
        "ATHENA_URL": f"http://127.0.0.1:{port}",
        "ATHENA_FLOWER_PORT": str(free_port()),
    }
    for folder in ("abilities", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    terminal = Terminal(tmp_path, environment)

    try:
        assert terminal.follow(page) > 12
    finally:
        terminal.close()
