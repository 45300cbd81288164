"""The Python that an ability runs in: what it is, and command lines in it."""

import json
import os
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from athena.errors import ConfigError
from athena.plain_text import plain_line

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
SURVEY = Path(__file__).with_name("survey.py")

#: A Python that lies on a cold disk, with a thousand packages.
SURVEY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Interpreter:
    """A Python, and what it takes to run Athena in it.

    Attributes:
        path: the program.
        folders: of packages that it lacks and Athena brings; none where it has Athena itself.
        problem: why it is not the one that was asked for; "" if it is.
    """

    path: str
    folders: tuple[str, ...] = ()
    problem: str = ""

    def command(self, program: Sequence[str]) -> tuple[str, ...]:
        """Returns the command line of a program of ours (`PYTHON -P -m MODULE …`) in this Python."""
        _, flag, *words = program
        if not self.folders:
            return (self.path, flag, *words)
        return (self.path, flag, str(BOOTSTRAP), os.pathsep.join(self.folders), *words)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Returns the variables with which a wrapper finds the programs that its packages brought."""
        if self.path == sys.executable:
            return dict(environ)
        programs = Path(self.path).parent
        found = {**environ, "PATH": f"{programs}{os.pathsep}{environ.get('PATH', os.defpath)}"}
        if (programs.parent / "pyvenv.cfg").exists():
            found["VIRTUAL_ENV"] = str(programs.parent)
        return found


def own_interpreter() -> Interpreter:
    """Returns the Python that runs this."""
    return Interpreter(sys.executable)


def own_folders() -> tuple[str, ...]:
    """Returns where this Python has its packages, Athena among them."""
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return tuple(folder for folder in dict.fromkeys(folders) if os.path.isdir(folder))


def own_abi() -> str:
    """Returns the binary interface for which our packages were built."""
    return sysconfig.get_config_var("SOABI") or ""


@dataclass(frozen=True)
class Survey:
    """What a Python is and has.

    Attributes:
        abi: its binary interface: version, kind of build, machine.
        packages: name -> (version, what it asks for).
    """

    version: str
    abi: str
    packages: Mapping[str, tuple[str, list[str]]]


def look_at(python: Path) -> Survey:
    """Asks a Python what it is.

    Raises:
        ConfigError: it does not run.
    """
    try:
        done = subprocess.run(
            [python, SURVEY], capture_output=True, text=True, timeout=SURVEY_TIMEOUT_S, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{python} does not run: {plain_line(str(said)[-500:])}") from None
    packages = {str(canonicalize_name(name)): (item[0], item[1]) for name, item in found["packages"].items()}
    return Survey(found["version"], found["abi"], packages)
