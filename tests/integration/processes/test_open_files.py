"""The limit of open files, in a process of its own: a lowered hard limit cannot be raised again."""

import subprocess
import sys

import pytest

from api import __main__ as gateway

PROGRAM = """
import resource, sys
from athena.telemetry.logs import configure_logs
from athena.runtime.open_files import allow_open_files
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
configure_logs("INFO")
assert allow_open_files() == hard
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def run(soft: int, hard: int) -> tuple[str, str]:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("soft", [256, 512])
def test_limit_is_raised_to_what_is_allowed(soft: int) -> None:
    limits, log = run(soft, 512)

    assert limits == "512 512"
    assert "at most 512 open files" in log
    assert "LimitNOFILE" in log


def test_nothing_is_said_of_a_high_limit() -> None:
    limits, log = run(256, 16384)

    assert limits == "16384 16384"
    assert log == ""


def test_gateway_raises_its_limit_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Server:
        def serve_forever(self) -> None:
            done.append("serve")

    for name in ("check_settings_of_redis", "configure_logs"):
        monkeypatch.setattr(gateway, name, lambda *_: None)
    monkeypatch.setattr(gateway, "allow_open_files", lambda: done.append("raise"))
    monkeypatch.setattr(gateway, "make_server", lambda *_: Server())

    assert gateway.main() == 0
    assert done == ["raise", "serve"]
