"""docs/security.md is walked through: from an open gateway to keys, a signed call, a quota and the trail."""

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.walk import Terminal

pytestmark = pytest.mark.e2e


def test_newcomer_closes_the_gateway(tmp_path: Path) -> None:
    port = str(free_port())
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").replace("30889", port)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "ATHENA_PORT": port,
        "ATHENA_FLOWER_PORT": str(free_port()),
    }
    (tmp_path / "abilities").symlink_to(ROOT / "abilities")
    terminal = Terminal(tmp_path, environment)

    try:
        assert terminal.follow(page) > 10
    finally:
        terminal.close()
