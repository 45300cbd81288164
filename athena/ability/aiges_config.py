"""The loader's configuration file of the original framework, `aiges.toml`, if one lies beside a wrapper."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from athena.errors import ConfigError


@dataclass(frozen=True)
class UpstreamConfig:
    """What of that file counts here.

    Attributes:
        config: for wrapperInit: the section `[wrapper]`, or all sections of the file that `usrCfg` names.
        header_params: members of the request's header that become parameters (`headerPass`).
    """

    config: dict[str, str] = field(default_factory=dict)
    header_params: tuple[str, ...] = ()


def read_upstream_config(path: Path) -> UpstreamConfig:
    """Reads an aiges.toml; a missing one says nothing.

    Raises:
        ConfigError: it cannot be read.
    """
    if not path.exists():
        return UpstreamConfig()
    document = read_toml(path)
    loader = _section(path, document, "aiges")
    user_file = loader.get("usrCfg")
    if isinstance(user_file, str) and user_file:
        config: Mapping[str, Any] = read_toml(path.parent / user_file)
    else:
        config = _section(path, document, "wrapper")
    passed = str(loader.get("headerPass") or "")
    names = tuple(name.strip() for name in passed.split(";") if name.strip())
    return UpstreamConfig(dict(flat_texts(config)), names)


def read_toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file.

    Raises:
        ConfigError: it is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None


def flat_texts(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the values of a table as texts; those of a table inside it are named `table.key`."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat_texts(value, f"{prefix}{key}.")
        elif isinstance(value, bool):
            yield prefix + key, "true" if value else "false"
        else:
            yield prefix + key, str(value)


def _section(path: Path, document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = document.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {name} must be a table [{name}]")
    return section
