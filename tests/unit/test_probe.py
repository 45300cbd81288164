"""`athena probe`, without anything that runs."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from athena.errors import ConfigError
from athena.fleet.pulse import STALE_AFTER_S, Pulse, read_pulse
from athena.supervisor.pulse_writer import PulseWriter
from tests.ports import free_port


def run(*options: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "athena", "probe", *options],
        env={"PYTHONDONTWRITEBYTECODE": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_pulse_that_is_fresh_lives_and_serves_once_nothing_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "pulse"

    Pulse(time.monotonic(), ("echo.cpu.0@host",)).write(file)
    assert run(ATHENA_PULSE_FILE=str(file)) == (0, "ok\n")
    assert run("--ready", ATHENA_PULSE_FILE=str(file)) == (1, "not ready: echo.cpu.0@host\n")

    Pulse(time.monotonic()).write(file)
    assert run("--ready", ATHENA_PULSE_FILE=str(file)) == (0, "ok\n")


def test_pulse_that_stands_still_is_dead(tmp_path: Path) -> None:
    file = tmp_path / "pulse"
    Pulse(time.monotonic() - STALE_AFTER_S - 1).write(file)

    status, said = run(ATHENA_PULSE_FILE=str(file))

    # Starting the command takes seconds on a busy machine.
    told = re.match(r"the supervisor has told nothing for (\d+) s", said)
    assert status == 1 and told and int(told[1]) > STALE_AFTER_S


@pytest.mark.parametrize("text", [None, "", "{}", '{"at_s": "x", "waiting": 1}'])
def test_file_that_no_supervisor_wrote_is_told_of(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "pulse"
    if text is not None:
        file.write_text(text)

    status, said = run(ATHENA_PULSE_FILE=str(file))

    assert status == 78 and said.startswith("athena: ") and str(file) in said


def test_gateway_that_is_not_there_does_not_live() -> None:
    port = free_port()

    status, said = run(ATHENA_PORT=str(port), ATHENA_HOST="0.0.0.0")

    assert status == 1 and said.startswith(f"no answer to GET /livez at 127.0.0.1:{port}")


def test_probe_loads_little() -> None:
    code = (
        "import sys; from athena import probe; "
        "print(len(sys.modules), 'redis' in sys.modules, 'rich' in sys.modules)"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    ).stdout.split()

    assert said[1:] == ["False", "False"] and int(said[0]) < 250, said


def test_writer_refuses_a_file_that_cannot_be_written_and_goes_on_when_the_disk_is_full_later(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="ATHENA_PULSE_FILE"):
        PulseWriter(tmp_path / "no" / "pulse", tuple).prove()

    folder = tmp_path / "later"
    folder.mkdir()
    writer = PulseWriter(folder / "pulse", lambda: ("redis",))
    writer.prove()
    assert not read_pulse(folder / "pulse").is_fresh(time.monotonic() + STALE_AFTER_S)
    (folder / "pulse").unlink()
    folder.rmdir()
    writer.on_tick(1.0)
    folder.mkdir()
    writer.on_tick(1.5)
    assert not (folder / "pulse").exists()
    writer.on_tick(2.5)
    assert read_pulse(folder / "pulse") == Pulse(2.5, ("redis",))
