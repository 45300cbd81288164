"""The packages that an ability imports, as far as they are installed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from athena.ability.imports import SDK, foreign_imports

#: Modules that come with Athena, and packages of which its worker is made in any case.
BROUGHT = frozenset(("athena", "aiges", "aiges_embed", "api", "workers"))

#: Module of the SDK -> the packages of which it takes one.
WANTED = {
    f"{SDK}.onnx": ("onnxruntime", "onnxruntime-gpu"),
    f"{SDK}.audio": ("soundfile",),
    f"{SDK}.picture": ("pillow",),
}


@dataclass(frozen=True)
class ImportedPackage:
    """An import, and whose it is.

    Attributes:
        file: where it is.
        imports: the module.
        packages: those that have it, each as `name==version`.
    """

    file: str
    line: int
    imports: str
    packages: tuple[str, ...]


def imported_packages(wrapper: Path) -> Iterator[ImportedPackage]:
    """Yields what a wrapper.py and the files beside it import; nothing where there is no requirements.txt."""
    if not (wrapper.parent / "requirements.txt").is_file():
        return
    owners = packages_distributions()
    for item in foreign_imports(wrapper):
        if item.module in BROUGHT:
            continue
        names = WANTED.get(item.module) or tuple(dict.fromkeys(owners.get(item.module, ())))
        found = tuple(f"{name}=={number}" for name in names if (number := _version(name)))
        if found:
            yield ImportedPackage(str(item.file), item.line, item.module, found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
