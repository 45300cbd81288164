"""Which allocator the embedded Redis gets."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from athena.supervisor import allocator
from athena.supervisor.allocator import server_environment
from athena.supervisor.redis_server import Edition, RedisServer

#: Any program that is linked dynamically stands for the server.
BUNDLED = RedisServer(Path("/usr/bin/env"), Edition("Valkey", "9.1.2"), is_bundled=True)


def test_bundled_server_gets_mimalloc_and_what_the_operator_preloads() -> None:
    (library,) = server_environment(BUNDLED, {}).values()

    assert Path(library).name == "libmimalloc.so" and Path(library).is_file()
    # A library that is not there itself is no reason for the linker to give up.
    assert server_environment(BUNDLED, {"LD_PRELOAD": "/x.so"}) == {"LD_PRELOAD": f"{library}:/x.so"}


def test_server_on_path_keeps_its_own() -> None:
    assert server_environment(replace(BUNDLED, is_bundled=False), {}) == {}


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "PACKAGE", "athena-no-such-package")

    assert server_environment(BUNDLED, {}) == {}


def test_path_that_the_linker_would_cut_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "my environment"
    folder.mkdir()
    (folder / "libmimalloc.so").touch()
    monkeypatch.setattr(allocator, "LIBRARY", str(folder / "libmimalloc.so"))

    assert server_environment(BUNDLED, {}) == {}


def test_library_that_needs_one_that_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    needed, library = tmp_path / "libneeded.so", tmp_path / "libmimalloc.so"
    for output, others in ((needed, ()), (library, (needed,))):
        command = ["cc", "-shared", "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none", *others]
        subprocess.run([*command, "-o", output], check=True)
    monkeypatch.setattr(allocator, "LIBRARY", str(library))
    assert server_environment(BUNDLED, {}) == {"LD_PRELOAD": str(library)}

    needed.unlink()
    with caplog.at_level("INFO"):
        assert server_environment(BUNDLED, {}) == {}
    assert "the embedded Redis goes without mimalloc" in caplog.text and "libneeded.so" in caplog.text


def test_server_that_cannot_be_started_at_all_gets_none(tmp_path: Path) -> None:
    assert server_environment(replace(BUNDLED, path=tmp_path / "none"), {}) == {}
