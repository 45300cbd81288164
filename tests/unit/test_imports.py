"""What must not be imported, whatever the room; tests/unit/test_rooms.py has the table of rooms."""

import re

from tests.house import FILES, PACKAGES, ROOT, cycles, imported, imports, ours

#: What a gateway must start without.
WORKER_LIBRARIES = {"celery", "kombu", "billiard", "onnxruntime", "numpy", "pynvml"}


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
            left += ours()[name]
    return known


def test_gateway_starts_without_celery_and_without_models() -> None:
    loaded = closure({name for name in FILES if top(name) == "api"})

    wrong = {(name, item) for name in loaded for item in imports()[name] if top(item) in WORKER_LIBRARIES}

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
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
    assert cycles(ours()) == []


def test_only_one_module_names_redis_keys() -> None:
    wrong = {
        name
        for name, path in FILES.items()
        if name != "athena.store.keys" and re.search(r"athena:[a-z{]", path.read_text(encoding="utf-8"))
    }

    assert not wrong
