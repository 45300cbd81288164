"""The versions that take part: how each is started."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import build_folder
from tests.chaos.versions import python_of

ROOT = Path(__file__).parents[2]

MESSAGE = Path("athena", "jobs", "message.py")


@dataclass(frozen=True)
class Build:
    """A version.

    Attributes:
        name: what it is called in the report.
        python: its interpreter.
        variables: what its processes get beside the environment.
        folder: its checkout, with the abilities that it understands.
    """

    name: str
    python: str
    variables: Mapping[str, str]
    folder: Path = ROOT

    def command(self, *arguments: str) -> list[str]:
        """Returns a command line of `athena`."""
        return [self.python, "-P", "-m", "athena", *arguments]

    def environment(self) -> dict[str, str]:
        """Returns the variables of its processes."""
        return {**os.environ, **self.variables}


def of_revision(revision: str) -> Build:
    """Returns a revision, installed with the versions of its own packages."""
    python = python_of(revision)
    return Build(revision, python, {}, build_folder(f"chaos-{revision}"))


def of_this_folder() -> Build:
    """Returns what is in the working tree."""
    return Build("this folder", sys.executable, {})


def of_the_next_format(folder: Path) -> Build:
    """Returns a copy of this folder whose queue messages are of a version that this one does not read."""
    for package in ("api", "athena", "workers"):
        subprocess.run(["cp", "-r", ROOT / package, folder / package], check=True)
    path = folder / MESSAGE
    text = path.read_text(encoding="utf-8")
    changed = text.replace("\nMESSAGE_VERSION = 1\n", "\nMESSAGE_VERSION = 2\n")
    if changed == text:
        raise SystemExit(f"{MESSAGE} has another version than 1: change tests/upgrade/builds.py")
    path.write_text(changed, encoding="utf-8")
    return Build("the next message format", sys.executable, {"PYTHONPATH": str(folder)})
