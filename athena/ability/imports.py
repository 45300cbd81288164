"""What the files of an ability import that is neither Python's own nor a file beside them."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: The SDK's modules that want a package, which Athena does not bring along everywhere.
SDK = "athena.sdk"


@dataclass(frozen=True)
class ForeignImport:
    """An import of another's module; of the SDK's, `athena.sdk.NAME`."""

    file: Path
    line: int
    module: str


def tree_of(file: Path) -> ast.AST:
    """Returns a file as Python reads it; an empty one for what cannot be read."""
    try:
        return ast.parse(file.read_bytes())
    # MemoryError, too, is how Python's parser refuses what is nested too deeply.
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.Module([], [])


def foreign_imports(wrapper: Path) -> Iterator[ForeignImport]:
    """Yields the imports of a wrapper.py and of the files beside it that it imports, each module once."""
    told: set[str] = set()
    seen = {wrapper}
    files = [wrapper]
    while files:
        file = files.pop()
        for names, line, is_relative in _imports(tree_of(file)):
            beside = file.parent if is_relative else wrapper.parent
            found = [item for name in names for item in _files_of(beside, name)]
            files += [item for item in found if item not in seen]
            seen.update(found)
            module = names[0] if names[0].startswith(f"{SDK}.") else names[0].partition(".")[0]
            is_ours = is_relative or bool(found) or module in sys.stdlib_module_names
            if not is_ours and module not in told:
                told.add(module)
                yield ForeignImport(file, line, module)


def _imports(tree: ast.AST) -> Iterator[tuple[list[str], int, bool]]:
    """Yields the names that an import may mean, its line, and whether it is relative."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (([item.name], node.lineno, False) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{item.name}" if node.module else item.name for item in node.names]
            if node.module == SDK:
                yield from (([name], node.lineno, False) for name in inner)
            else:
                outer = [node.module] if node.module else []
                yield [*outer, *inner], node.lineno, node.level > 0


def _files_of(folder: Path, module: str) -> list[Path]:
    """Returns the files in a folder that are a module; none if it is not the folder's."""
    place = folder.joinpath(*module.split("."))
    return [file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()][:1]
