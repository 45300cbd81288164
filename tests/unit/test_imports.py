"""Who may import whom, read from the source: imports inside functions count too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("athena", "api", "workers")

#: What a gateway must start without.
WORKER_LIBRARIES = {"celery", "kombu", "billiard", "onnxruntime", "numpy", "pynvml"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def source_files() -> dict[str, Path]:
    return {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


FILES = source_files()


def imported(path: Path) -> Iterator[str]:
    """Yields the absolute names that a file imports; `from a import b` yields `a.b` when that is a module."""
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


IMPORTS = {name: set(imported(path)) for name, path in FILES.items()}
OURS = {name: {item for item in items if item in FILES} for name, items in IMPORTS.items()}


def top(name: str) -> str:
    return name.partition(".")[0]


def closure(names: set[str]) -> set[str]:
    """Returns all modules of ours that are loaded when `names` are."""
    known: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in known:
            known.add(name)
            left += OURS[name]
    return known


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


def test_the_reader_of_imports_sees_our_modules() -> None:
    assert {
        "athena.store.submission",
        "api.gateway.gateway",
        "workers.lease.exchange",
        "athena.sdk",
    } <= FILES.keys()
    assert OURS["api.gateway.submitter"] >= {"athena.jobs.celery_message", "api.gateway.gateway"}
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("athena", {"api", "workers"}), ("api", {"workers"}), ("workers", {"api"})],
)
def test_package_does_not_import(package: str, forbidden: set[str]) -> None:
    wrong = {
        (name, item)
        for name, items in IMPORTS.items()
        if top(name) == package
        for item in items
        if top(item) in forbidden
    }

    assert not wrong


def test_gateway_starts_without_celery_and_without_models() -> None:
    loaded = closure({name for name in FILES if top(name) == "api"})

    wrong = {(name, item) for name in loaded for item in IMPORTS[name] if top(item) in WORKER_LIBRARIES}

    assert not wrong


def test_errors_import_nothing_of_ours() -> None:
    assert not OURS["athena.errors"]


def test_protocol_imports_only_errors_and_codings() -> None:
    assert OURS["athena.protocol.codings"] == {"athena.errors"}
    assert OURS["athena.protocol.envelope"] == {"athena.protocol.codings", "athena.errors"}


def test_sdk_imports_nothing_of_ours_but_itself() -> None:
    wrong = {
        (name, item)
        for name, items in OURS.items()
        if name.startswith("athena.sdk")
        for item in items
        if not item.startswith("athena.sdk")
    }

    assert not wrong


def test_abilities_import_nothing_of_ours_but_the_sdk() -> None:
    files = list((ROOT / "abilities").rglob("*.py"))
    wrong = {
        (str(path), item)
        for path in files
        for item in imported(path)
        if top(item) in PACKAGES and item != "athena.sdk" and not item.startswith("athena.sdk.")
    }

    assert files
    assert not wrong


def test_no_modules_import_each_other() -> None:
    assert cycles(OURS) == []


def test_only_one_module_names_redis_keys() -> None:
    wrong = {
        name
        for name, path in FILES.items()
        if name != "athena.store.keys" and re.search(r"athena:[a-z{]", path.read_text(encoding="utf-8"))
    }

    assert not wrong
