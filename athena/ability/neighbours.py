"""Modules beside a wrapper whose names a worker needs for its own: `import redis` cannot mean two things.

Found in the source, before anything is imported: a wrapper would get the other module, or the worker its.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from athena.ability.imports import tree_of

CELERY = frozenset(("celery", "kombu", "vine", "amqp", "billiard", "click", "dateutil", "six", "tzlocal"))
OTHERS = frozenset(("redis", "hiredis", "orjson", "pybase64", "marshmallow", "packaging", "psutil", "yaml"))
# Celery and its libraries load these where they are installed: for the gateway, for traces, by others.
INSTALLED = frozenset(("cryptography", "cffi", "greenlet", "opentelemetry", "typing_extensions"))
# A `.pth` file imports it when Python starts; it came with the embedded Redis' allocator.
STARTUP = frozenset(("cmeel_pth",))

#: Modules that are loaded in each worker: ours, our dependencies, and what these import.
LOADED = CELERY | OTHERS | INSTALLED | STARTUP | {"athena", "workers"}


@dataclass(frozen=True)
class Clash:
    """An import of a module that lies beside the wrapper, by a name that is taken.

    Attributes:
        file: where the import is.
        module: the name.
        neighbour: the module's file.
        is_standard: whether Python itself has a module of that name; otherwise a worker has.
    """

    file: Path
    line: int
    module: str
    neighbour: Path
    is_standard: bool

    @property
    def text(self) -> str:
        """What is wrong, in one sentence."""
        owner = "Python" if self.is_standard else "the worker itself"
        return f"imports {self.module!r}, which is {self.neighbour} here, and another module to {owner}"

    @property
    def remedy(self) -> str:
        """What to do."""
        return f"give {self.neighbour.name} another name, or import it by `from . import {self.module}`"


def clashes(wrapper: Path) -> Iterator[Clash]:
    """Yields the imports that clash, of a wrapper.py and of the modules beside it that it imports."""
    folder = wrapper.parent
    seen: set[Path] = set()
    files = [wrapper]
    while files:
        file = files.pop()
        seen.add(file)
        for module, line in _imports(file):
            found = _files_of(folder, module)
            top = module.partition(".")[0]
            if found and (top in LOADED or top in sys.stdlib_module_names):
                yield Clash(file, line, top, found[0], top not in LOADED)
            else:
                files += [item for item in found if item not in seen]


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yields the absolute imports of a file, with their lines; none of one that cannot be read."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from ((item.name, node.lineno) for item in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module, node.lineno


def _files_of(folder: Path, module: str) -> list[Path]:
    """Returns the files in a folder that an import loads; none if it is not the folder's."""
    files = []
    for part in module.split("."):
        # Python's import, too, prefers a package to a module of the same name.
        package = folder / part / "__init__.py"
        file = package if package.is_file() else folder / f"{part}.py"
        if not file.is_file():
            return []
        files.append(file)
        folder = folder / part
    return files
