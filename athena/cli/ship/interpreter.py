"""The Python that runs, as a folder that works anywhere: its program, its library, what these need."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from athena.cli.ship.programs import is_program, libraries_of, set_library_path, system_library
from athena.errors import ConfigError

#: Parts of the standard library that no server needs.
LEFT_OUT = (
    "site-packages",
    "dist-packages",
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "ensurepip",
)

#: What wheels take from the system and small ones lack; the last is what mimalloc needs.
FOR_WHEELS = ("libstdc++.so.6", "libgcc_s.so.1", "libatomic.so.1")


def name() -> str:
    """Returns what the program is called: python3.11."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def copy_interpreter(target: Path) -> None:
    """Copies it into a folder.

    Raises:
        ConfigError: something is missing, or cannot be copied.
    """
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (target / "bin").mkdir(parents=True)
    library = target / "lib"
    try:
        shutil.copy2(program, target / "bin" / name())
        shutil.copytree(sysconfig.get_path("stdlib"), library / name(), symlinks=True, ignore=_ignored)
    except (OSError, shutil.Error) as error:
        raise ConfigError(f"cannot copy {program} and its library: {error}") from None
    (target / "bin" / "python3").symlink_to(name())
    _bring_libraries(target, library)


def _ignored(folder: str, names: list[str]) -> set[str]:
    is_top = Path(folder).name == name()
    return {
        item
        for item in names
        if item == "__pycache__"
        or item.startswith("_tkinter.")
        or (is_top and (item in LEFT_OUT or item.startswith("config-")))
    }


def _bring_libraries(target: Path, library: Path) -> None:
    programs = [path for path in sorted(target.rglob("*")) if is_program(path)]
    needed: dict[str, Path] = {}
    for path in programs:
        needed |= libraries_of(path)
    for item in FOR_WHEELS:
        found = system_library(item)
        if found is not None:
            needed[item] = found
    for item, place in needed.items():
        shutil.copyfile(place, library / item)
        (library / item).chmod(0o755)
        programs.append(library / item)
    for path in programs:
        set_library_path(path, os.path.relpath(library, path.parent))
