"""`athena pack`: an ability as one reproducible archive, which is the context of an image."""

import argparse
import gzip
import hashlib
import io
import stat
import string
import sys
import tarfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from athena import __version__
from athena.ability.findings import Severity
from athena.ability.manifest import Ability, load_ability
from athena.ability.secret_files import holds_private_key, is_secret_name
from athena.ability.source_check import check_source
from athena.cli.author.create import TEMPLATE
from athena.cli.ship.own_wheel import own_wheel
from athena.errors import ConfigError

#: What no archive holds, by name.
LEFT_OUT = frozenset(
    (
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".venv",
        ".athena",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        ".hypothesis",
        ".DS_Store",
        ".idea",
        ".vscode",
    )
)

#: How the name of Athena's own wheel begins.
OWN_WHEEL = "athena_serving-"

#: Files that an image needs; they come from the template where the ability has none.
IMAGE_FILES = ("Dockerfile", "requirements.txt")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "pack",
        help="pack an ability into one archive",
        description="Writes an archive that is the same for the same files, and that `docker build -` takes: "
        "the ability, and a wheel of the Athena that packs it.",
    )
    parser.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="the archive (default: ./SERVICE_ID-VERSION.tar.gz)"
    )
    parser.add_argument(
        "--wheel",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a wheel more that the image installs, or another Athena; may be repeated",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the archive.

    Raises:
        ConfigError: the folder is no ability, its source is broken, or a file cannot be packed.
    """
    ability = load_ability(options.ability)
    _, findings = check_source(ability.wrapper_path)
    errors = [item for item in findings if item.severity is Severity.ERROR]
    if errors:
        raise ConfigError("the ability cannot be served:\n" + "\n".join(item.render() for item in errors))
    out: Path = options.out or Path(f"{ability.main_id}-{ability.version}.tar.gz")
    left_out: list[str] = []
    files = _files(ability, options.wheel, out.absolute(), left_out)
    archive = pack(files)
    try:
        out.write_bytes(archive)
    except OSError as error:
        raise ConfigError(f"cannot write {out}: {error.strerror}") from None
    print(f"{out}: {len(files)} files, {len(archive)} bytes, sha256 {hashlib.sha256(archive).hexdigest()}")
    if left_out:
        print(f"left out, for it looks like a secret: {', '.join(left_out)}", file=sys.stderr)
    return 0


def pack(files: dict[str, tuple[bytes, bool]]) -> bytes:
    """Returns a gzipped tar of files: name -> (data, whether it may be executed).

    Order, times, owners and modes do not depend on where and when it is made.
    """
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            data, is_executable = files[name]
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if is_executable else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def ability_files(ability: Ability, out: Path, left_out: list[str]) -> dict[str, tuple[bytes, bool]]:
    """Returns an ability's files that may leave the machine: name -> (data, whether it may be executed).

    Args:
        ability: whose.
        out: an archive that may lie in the folder itself, and does not count.
        left_out: gets the names of what looks like a secret.

    Raises:
        ConfigError: a file cannot be packed.
    """
    check_movable(ability)
    found = {}
    for path in _walk(ability.path, ability.path):
        name = str(path.relative_to(ability.path))
        if path == out:
            continue
        if is_secret_name(path.name):
            left_out.append(name)
            continue
        content = _content(path)
        if holds_private_key(path, content[0]):
            left_out.append(name)
        else:
            found[name] = content
    return found


def check_movable(ability: Ability) -> None:
    """Refuses an ability whose packages lie in an environment of this machine.

    Raises:
        ConfigError: it is one.
    """
    if ability.worker.python:
        raise ConfigError(
            f"{ability.path / 'ability.toml'}: worker.python names an environment of this machine, which no "
            "archive and no image holds; say worker.requirements = true instead, and what requirements.txt "
            "names is installed where it is served"
        )


def _files(
    ability: Ability, wheels: list[Path], out: Path, left_out: list[str]
) -> dict[str, tuple[bytes, bool]]:
    found = ability_files(ability, out, left_out)
    for wheel in wheels:
        found[f"wheels/{wheel.name}"] = (_content(wheel)[0], False)
    if not any(wheel.name.startswith(OWN_WHEEL) for wheel in wheels):
        name, data = own_wheel()
        found[f"wheels/{name}"] = (data, False)
    for name in IMAGE_FILES:
        if name not in found:
            text = (resources.files("athena.cli") / TEMPLATE / name).read_text(encoding="utf-8")
            made = string.Template(text).substitute(name=ability.main_id, athena=__version__)
            found[name] = (made.encode(), False)
    return found


def _walk(folder: Path, top: Path) -> Iterator[Path]:
    """Finds files, and what is left out by its name, not looked into."""
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_OUT or path.suffix == ".pyc":
            continue
        if is_secret_name(path.name):
            yield path
            continue
        if not path.resolve().is_relative_to(top.resolve()):
            raise ConfigError(f"{path} leads out of the ability's folder; put a copy in its place")
        if path.is_dir():
            yield from _walk(path, top)
        elif path.is_file():
            yield path
        else:
            raise ConfigError(f"{path} is neither a file nor a folder")


def _content(path: Path) -> tuple[bytes, bool]:
    try:
        return path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
