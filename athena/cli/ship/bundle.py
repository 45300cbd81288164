"""`athena bundle`: one file with all that a server needs, for networks that nothing enters but by hand."""

import argparse
import hashlib
import platform
import shutil
import sys
import tarfile
import tempfile
from importlib import resources
from pathlib import Path

from athena import __version__
from athena.ability.manifest import Ability
from athena.cli.author.pack import ability_files, check_movable
from athena.cli.folders import add_folders, load_distinct
from athena.cli.ship.interpreter import copy_interpreter
from athena.cli.ship.programs import glibc_minor, is_program
from athena.cli.ship.wheels import extras, fetch_own_wheels, fetch_wheels
from athena.environments.requirements import NAME
from athena.errors import ConfigError

#: The tags of wheels say which C library they need: manylinux_2_28 is 2.28.
_OLDEST_FOR_WHEELS = 28

#: What is unpacked takes about so much more room than the wheels.
_UNPACKED = 5


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "bundle",
        help="put all that a server needs into one file",
        description="Writes an archive with this Python, this Athena, all packages, Redis and abilities. "
        "install.sh in it needs no network.",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the archive, .tar.gz")
    add_folders(parser)
    parser.add_argument(
        "--wheels", metavar="DIR", type=Path, help="folder with all wheels; the package index is not asked"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the archive.

    Raises:
        ConfigError: an ability cannot be packed, or something cannot be fetched or written.
    """
    abilities = load_distinct(options.ability)
    for ability in abilities:
        check_movable(ability)
    output: Path = options.output
    stem = f"athena-{__version__}-{platform.machine()}"
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="athena-bundle-") as scratch:
        top = Path(scratch) / stem
        _fill(top, abilities, options.wheels, left_out)
        size = _write(top, output)
    print(f"{output}: {size / 1e6:.0f} MB; on the server: tar -xf {output.name} && {stem}/install.sh")
    if left_out:
        print(f"left out, for it looks like a secret: {', '.join(left_out)}", file=sys.stderr)
    return 0


def _fill(top: Path, abilities: list[Ability], source: Path | None, left_out: list[str]) -> None:
    top.mkdir()
    print("copying Python", file=sys.stderr)
    copy_interpreter(top / "python")
    for ability in abilities:
        _copy_ability(ability, top / "abilities" / ability.service_id, left_out)
    print("fetching wheels", file=sys.stderr)
    fetch_packages(top, abilities, source)
    for name in ("bundle", "systemd"):
        with resources.as_file(resources.files("athena.cli") / "templates" / name) as folder:
            shutil.copytree(folder, top if name == "bundle" else top / name, dirs_exist_ok=True)
    (top / "install.sh").chmod(0o755)
    own = " ".join(ability.service_id for ability in abilities if ability.worker.requirements)
    (top / "facts").write_text(f"{_facts(top)}OWN_PACKAGES='{own}'\n")
    (top / "SHA256SUMS").write_text(_sums(top))


def fetch_packages(top: Path, abilities: list[Ability], source: Path | None) -> None:
    """Fetches the wheels of Athena and of abilities; those of an environment lie in its ability's folder."""
    (top / "wheels").mkdir()
    requirements = []
    for ability in abilities:
        folder = top / "abilities" / ability.service_id
        if ability.worker.requirements:
            fetch_own_wheels(folder, source)
        elif (folder / NAME).exists():
            requirements.append(folder / NAME)
    fetch_wheels(top / "wheels", requirements, source)


def _copy_ability(ability: Ability, folder: Path, left_out: list[str]) -> None:
    for name, (data, is_executable) in ability_files(ability, Path(), left_out).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if is_executable else 0o644)


def _facts(top: Path) -> str:
    """Returns what install.sh asks of a server, as variables of a shell."""
    programs = [path for path in (top / "python").rglob("*") if is_program(path)]
    glibc = max(_OLDEST_FOR_WHEELS, *(glibc_minor(path) for path in programs))
    wheels = sum(path.stat().st_size for path in top.rglob("*.whl"))
    return (
        f"VERSION={__version__}\nMACHINE={platform.machine()}\nGLIBC_MINOR={glibc}\n"
        f"NEEDED_MB={wheels * _UNPACKED // 1_000_000 + 200}\nEXTRAS={','.join(extras())}\n"
    )


def _sums(top: Path) -> str:
    paths = [path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink()]
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(top)}\n" for path in paths
    )


def _write(top: Path, output: Path) -> int:
    try:
        with tarfile.open(output, "w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as archive:
            archive.add(top, top.name, filter=_anonymous)
    except OSError as error:
        raise ConfigError(f"cannot write {output}: {error.strerror}") from None
    return output.stat().st_size


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
