"""Modules beside a wrapper whose names are taken."""

from pathlib import Path

import pytest

from athena.ability.neighbours import clashes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Neighbours of all kinds."""
    for name in ("celery", "redis", "workers", "athena", "queue", "mine", "flask"):
        (tmp_path / f"{name}.py").write_text("")
    for package in ("kombu", "pack"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "part.py").write_text("import redis")
    (tmp_path / "orjson").mkdir()
    (tmp_path / "mine.py").write_text("def late():\n    from workers import pool")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from celery import x", ["celery:1"]),
        ("import os, redis", ["redis:1"]),
        ("def f():\n    import workers as w", ["workers:2"]),
        ("import mine", ["workers:2"]),
        ("import kombu.part", ["kombu:1"]),
        ("from pack.part import x", ["redis:1"]),
        ("import queue", ["queue:1"]),
        ("from athena.sdk import Response", []),
        ("import athena", ["athena:1"]),
        ("from . import celery", []),
        ("from .celery import x", []),
        ("import kombu.other", []),
        ("import orjson, flask, click, numpy", []),
        ("import celery,,", []),
    ],
)
def test_an_import_that_could_mean_two_modules_is_found(folder: Path, source: str, found: list[str]) -> None:
    (folder / "wrapper.py").write_text(source)

    assert [f"{item.module}:{item.line}" for item in clashes(folder / "wrapper.py")] == found
