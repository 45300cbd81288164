"""Makes an environment and has pip fill it; what pip says becomes one sentence."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from athena.environments.requirements import Requirements
from athena.errors import ConfigError
from athena.plain_text import plain_line
from athena.settings import ADMIN_VARIABLES, without

#: How many of pip's errors are told; the first ones say what, the others what follows from it.
MAX_ERRORS = 2

_ERROR = re.compile(r"^\s*ERROR:\s*(.+)$", re.MULTILINE)

#: All versions that there are, of which the newest are worth a word.
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")

#: So many of them are told.
MAX_VERSIONS = 4

#: Who asked for which version, below an error about a conflict.
_ASKED = re.compile(r"^    (The user requested .+|\S+ \S+ depends on .+)$", re.MULTILINE)


def make_environment(
    folder: Path, requirements: Requirements, constraints: Sequence[str], log: Path, timeout_s: float
) -> Path:
    """Makes an environment with what a file of requirements names; returns its Python.

    Args:
        folder: where; it is not there yet.
        requirements: what goes into it.
        constraints: which versions Athena works with.
        log: gets all that pip says.
        timeout_s: how long pip may take.

    Raises:
        ConfigError: it cannot be made; the message says why in one line, and names the log.
    """
    python = folder / "bin" / "python"
    # Without pip: ours fills it, which is seconds less and the version that is known here.
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], requirements, log, timeout_s)
    if importlib.util.find_spec("pip") is None:
        raise ConfigError(
            f"pip is not installed beside Athena, and {requirements.path} needs it: python -m ensurepip"
        )
    limits = folder / "constraints.txt"
    limits.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--python", str(python), "--no-input"]
    command += ["--disable-pip-version-check", "install", "--requirement", str(requirements.path)]
    # Beside hashes, pip wants one for each line of the constraints as well; the versions are looked at later.
    if not requirements.has_hashes:
        command += ["--constraint", str(limits)]
    if requirements.wheels.is_dir():
        command += ["--find-links", str(requirements.wheels)]
        # A bundle has brought them all: an index that is out of reach would be asked for each of them.
        with suppress(ConfigError):
            _run([*command, "--no-index"], requirements, log, timeout_s)
            return python
    _run(command, requirements, log, timeout_s)
    return python


def _run(command: Sequence[str], requirements: Requirements, log: Path, timeout_s: float) -> None:
    """Runs a program of an installation in the ability's folder, where relative paths begin."""
    environment = {**without(os.environ, ADMIN_VARIABLES), "PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=requirements.path.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"{requirements.path}: pip was not done within {timeout_s:g} s (ATHENA_INSTALL_TIMEOUT_S); "
                f"{log} has what it said"
            ) from None
        finally:
            # It has processes of its own: those that build packages.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if status:
        said = log.read_text(encoding="utf-8", errors="replace")
        raise ConfigError(
            f"{requirements.path}: pip cannot install it: {reason_of(said)}; {log} has all that it said"
        )


def reason_of(said: str) -> str:
    """Returns why pip gave up, in one line, out of all that it said."""
    errors = [_VERSIONS.sub(_newest, " ".join(item.split())) for item in _ERROR.findall(said)]
    asked = [_in_words(" ".join(item.split())) for item in _ASKED.findall(said)]
    if asked:
        # What it says beside these leads to a page about conflicts.
        errors = [item for item in errors if not item.startswith("ResolutionImpossible")]
    # pip's own order: first what it tried, then its conclusion.
    found = [*dict.fromkeys(errors[-MAX_ERRORS:]), *dict.fromkeys(asked)]
    if not found:
        found = said.strip().splitlines()[-1:]
    return plain_line("; ".join(item.rstrip(".") for item in found) or "it said nothing")


def _newest(found: re.Match[str]) -> str:
    versions = found[1].split(", ")
    more = "… " if len(versions) > MAX_VERSIONS else ""
    return f"(there are: {more}{', '.join(versions[-MAX_VERSIONS:])})"


def _in_words(asked: str) -> str:
    """Returns who asked for a version; constraints are Athena's."""
    mine, is_constraint, limit = asked.partition("The user requested (constraint) ")
    return f"Athena works with {limit} alone" if is_constraint and not mine else asked
