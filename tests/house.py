"""The house in numbers (`make house`): files, functions, comments, documentation; and who imports whom."""

import ast
import io
import itertools
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "athena", "workers")

#: Not modules of ours: what `athena create` writes.
TEMPLATES = ROOT / "athena" / "cli" / "templates"

#: Comments that speak to tools.
_MARKS = ("#!", "# noqa", "# type:", "# ruff:", "# fmt:")


def module_name(path: Path) -> str:
    """Returns the dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> dict[str, Path]:
    """Returns the modules of the three packages."""
    found = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {module_name(path): path for path in found if TEMPLATES not in path.parents}


FILES = source_files()


def imported(path: Path) -> Iterator[str]:
    """Yields the absolute names that a file imports; `from a import b` yields `a.b` when that is a module.

    Imports inside functions count, and so do strings that name a module which is then loaded: what follows
    `-m` in a command, what `import_module` is given, and `package.module:Class`.
    """
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in FILES else base
        else:
            yield from _named(node)


def _named(node: ast.AST) -> Iterator[str]:
    """Yields the modules that strings name."""
    match node:
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module")):
            yield from (text for argument in node.args if (text := _text(argument)) in FILES)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            texts = [_text(item) for item in items]
            yield from (name for flag, name in itertools.pairwise(texts) if flag == "-m" and name)
        case ast.Constant(value=str(text)) if ":" in text and text.partition(":")[0] in FILES:
            yield text.partition(":")[0]


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@cache
def imports() -> dict[str, set[str]]:
    """Returns what each module imports."""
    return {name: set(imported(path)) for name, path in FILES.items()}


@cache
def ours() -> dict[str, set[str]]:
    """Returns which modules of the three packages each of them imports."""
    return {name: {item for item in items if item in FILES} for name, items in imports().items()}


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Returns the groups of modules that import each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group: set[str] = set()
            while node not in group:
                group.add(stack.pop())
            if len(group) > 1 or node in graph[node]:
                found.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return found


@dataclass(frozen=True)
class Spread:
    """A distribution: its median, its 90th percentile, its largest value and whose that is."""

    median: float
    p90: float
    largest: int
    of: str

    @classmethod
    def over(cls, sizes: dict[str, int]) -> "Spread":
        """Describes sizes by name."""
        values = sorted(sizes.values())
        of = max(sizes, key=lambda name: sizes[name])
        return cls(statistics.median(values), values[int(0.9 * (len(values) - 1))], sizes[of], of)

    def __str__(self) -> str:
        return f"median {self.median:g}, p90 {self.p90:g}, largest {self.largest} ({self.of})"


def folders() -> Counter[str]:
    """Returns how many modules each folder has, its `__init__` aside."""
    paths = (path.relative_to(ROOT) for path in FILES.values() if path.name != "__init__.py")
    return Counter(path.parent.as_posix() for path in paths)


def module_lines() -> dict[str, int]:
    """Returns the lines of each module that is more than a docstring."""
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    return {name: size for name, size in sizes.items() if FILES[name].name != "__init__.py"}


def function_lines() -> dict[str, int]:
    """Returns the lines of each function, its docstring and signature included."""
    sizes: dict[str, int] = {}
    for name, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                end = node.end_lineno or node.lineno
                sizes[f"{name}.{node.name}:{node.lineno}"] = end - node.lineno + 1
    return sizes


def comment_lines(paths: Iterable[Path]) -> int:
    """Returns how many lines hold a comment, those that speak to tools aside."""
    count = 0
    for path in paths:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            count += token.type == tokenize.COMMENT and not token.string.startswith(_MARKS)
    return count


def doc_lines() -> int:
    """Returns the lines of documentation: README, CONTRIBUTING and docs/."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in pages)


def main() -> None:
    """Prints the numbers."""
    [(folder, files)] = folders().most_common(1)
    code = sum(module_lines().values())
    print(f"files in the widest folder   {files} ({folder})")
    print(f"lines of modules             {Spread.over(module_lines())}")
    print(f"lines of functions           {Spread.over(function_lines())}")
    print(f"groups of circular imports   {len(cycles(ours()))}")
    print(f"comments per 100 lines       {100 * comment_lines(FILES.values()) / code:.1f}")
    print(f"lines of docs per code line  {doc_lines() / code:.2f}")


if __name__ == "__main__":
    main()
