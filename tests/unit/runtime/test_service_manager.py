"""What systemd is told."""

import socket
from pathlib import Path

import pytest

from athena.runtime.service_manager import READY, VARIABLE, tell_service_manager


@pytest.mark.parametrize("is_abstract", [False, True])
def test_it_hears_that_the_service_is_ready(tmp_path: Path, is_abstract: bool) -> None:
    name = f"@athena-{tmp_path.name}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1) if is_abstract else name)

        tell_service_manager(READY, {VARIABLE: name})

        assert receiver.recv(100) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}, {VARIABLE: "/nowhere/notify"}])
def test_without_one_nothing_happens(environ: dict[str, str]) -> None:
    tell_service_manager(READY, environ)
