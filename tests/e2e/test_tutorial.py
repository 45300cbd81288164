"""docs/tutorial.md is walked through, in an empty folder."""

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.walk import Terminal

pytestmark = pytest.mark.e2e


def test_the_tutorial_leads_from_a_notebook_to_an_api(tmp_path: Path) -> None:
    port = str(free_port())
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8").replace("30889", port)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "ATHENA_PORT": port,
        "ATHENA_URL": f"http://127.0.0.1:{port}",
        "ATHENA_FLOWER_PORT": str(free_port()),
    }
    terminal = Terminal(tmp_path, environment)

    try:
        assert terminal.follow(page) > 15
    finally:
        terminal.close()
