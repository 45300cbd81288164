"""What an ability's requirements.txt says, as far as that has to be known before pip reads it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from athena.environments.packages import DISTRIBUTION, Lookup, installed
from athena.errors import ConfigError

NAME = "requirements.txt"

#: Wheels beside it, which pip takes before it asks an index.
WHEELS = "wheels"

#: A line that names another file.
_OTHER_FILE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s+|=)\s*(\S+)|-[rc](\S+)")

#: As pip has it: a `#` at the beginning of a line, or after a blank.
_COMMENT = re.compile(r"(^|\s+)#.*$")


@dataclass(frozen=True)
class Requirements:
    """An ability's requirements.txt.

    Attributes:
        path: the file.
        files: its text and those of the files that it names, by their paths.
        packages: what it asks for, as far as that is written as name and versions.
        is_plain: whether it asks for nothing in another way: a path, a URL, an option, a hash.
        has_unnamed: whether it asks for packages by paths and URLs, so that their names are not known.
    """

    path: Path
    files: tuple[tuple[Path, str], ...]
    packages: tuple[Requirement, ...]
    is_plain: bool
    has_unnamed: bool = False

    @property
    def wheels(self) -> Path:
        """Where wheels lie that an archive has brought."""
        return self.path.parent / WHEELS

    @property
    def has_hashes(self) -> bool:
        """Whether pip is to take what has one of these hashes, and nothing else."""
        return any("--hash" in text or "--require-hashes" in text for _, text in self.files)

    def are_met(self, lookup: Lookup = installed) -> bool:
        """Whether all of it is installed already."""
        return self.is_plain and all(_is_met(item, lookup) for item in self.packages)


def read_requirements(folder: Path) -> Requirements:
    """Reads the requirements.txt of an ability's folder.

    Raises:
        ConfigError: it cannot be read, or asks for Athena.
    """
    path = folder / NAME
    files = tuple(_read(path, set()))
    packages: list[Requirement] = []
    is_plain, has_unnamed = True, False
    for _, text in files:
        for line in _lines(text):
            if _OTHER_FILE.fullmatch(line):
                continue
            asked, dashes, _ = line.partition(" --")
            is_plain &= not dashes
            try:
                packages.append(Requirement(asked))
            except InvalidRequirement:
                is_plain = False
                has_unnamed |= not line.startswith("-") or line.startswith(("-e", "--editable"))
    # Nobody owns that name in the index: whoever takes it would run in our workers.
    if any(canonicalize_name(item.name) == DISTRIBUTION for item in packages):
        raise ConfigError(f"{path} names {DISTRIBUTION}; delete the line: workers bring it along")
    return Requirements(path, files, tuple(packages), is_plain, has_unnamed)


def _read(path: Path, seen: set[Path]) -> Iterator[tuple[Path, str]]:
    """Yields a file and those that it names."""
    if path in seen:
        return
    seen.add(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is not there; write it, a package a line, or leave worker.requirements out"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}; save it as UTF-8") from None
    yield path, text
    for line in _lines(text):
        other = _OTHER_FILE.fullmatch(line)
        if other:
            yield from _read(path.parent / (other[1] or other[2]), seen)


def _lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", "").splitlines():
        line = _COMMENT.sub("", line).strip()
        if line:
            yield line


def _is_met(wanted: Requirement, lookup: Lookup) -> bool:
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    # What an extra asks for is pip's business.
    if wanted.url or wanted.extras:
        return False
    try:
        version, _ = lookup(wanted.name)
    except PackageNotFoundError:
        return False
    return wanted.specifier.contains(version, prereleases=True)
