"""Which allocator the embedded Redis gets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from athena.supervisor import allocator
from athena.supervisor.allocator import server_environment
from athena.supervisor.redis_server import Edition, RedisServer

BUNDLED = RedisServer(Path("/wheel/valkey-server"), Edition("Valkey", "9.1.2"), is_bundled=True)


def starts(program: Path, environ: Mapping[str, str]) -> str:
    return ""


def lacks_a_library(program: Path, environ: Mapping[str, str]) -> str:
    return "libatomic.so.1: cannot open shared object file"


def test_bundled_server_gets_mimalloc_and_what_the_operator_preloads() -> None:
    (library,) = server_environment(BUNDLED, {}, print, starts).values()

    assert Path(library).name == "libmimalloc.so" and Path(library).is_file()
    assert server_environment(BUNDLED, {"LD_PRELOAD": "/x.so"}, print, starts) == {
        "LD_PRELOAD": f"{library}:/x.so"
    }


def test_server_on_path_keeps_its_own() -> None:
    assert server_environment(replace(BUNDLED, is_bundled=False), {}, print, starts) == {}


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "PACKAGE", "athena-no-such-package")

    assert server_environment(BUNDLED, {}, print, starts) == {}


def test_path_that_the_linker_would_cut_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my environment"
    folder.mkdir()
    (folder / "libmimalloc.so").touch()
    monkeypatch.setattr(allocator, "LIBRARY", str(folder / "libmimalloc.so"))

    assert server_environment(BUNDLED, {}, print, starts) == {}


def test_library_that_the_server_does_not_start_with_is_left_out_and_told_of() -> None:
    said: list[str] = []

    assert server_environment(BUNDLED, {}, said.append, lacks_a_library) == {}
    (line,) = said
    assert line.startswith("the embedded Redis goes without mimalloc: libatomic.so.1")


def test_server_that_cannot_be_started_at_all_gets_none(tmp_path: Path) -> None:
    assert server_environment(replace(BUNDLED, path=tmp_path / "none"), {}, print) == {}
