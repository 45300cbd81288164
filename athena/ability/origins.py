"""Where the options of an ability come from: `athena config --ability`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from athena.ability.aiges_config import flat_texts, read_toml, read_upstream_config
from athena.ability.manifest import MANIFEST, Ability, load_ability

#: Sources of an option.
UPSTREAM, WRAPPER, DEFAULT = "aiges.toml", "wrapper.py", "default"

#: What wrapperInit receives may be a login: such names are masked.
_SECRET_NAME = re.compile(r"pass|secret|token|key|credential|dsn|auth", re.IGNORECASE)

#: A login in a URL, in front of its host.
_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")

MASK = "***"


@dataclass(frozen=True)
class OptionOrigin:
    """An option as it counts; `source` is the file that says so, or `default`."""

    name: str
    value: str
    source: str


def option_origins(path: Path) -> tuple[str, list[OptionOrigin]]:
    """Returns an ability's service_id, and all its options in the order of ability.toml's page.

    Raises:
        ConfigError: a file is missing or a value cannot be used (see `load_ability`).
    """
    ability = load_ability(path)
    file = ability.path / MANIFEST
    document = read_toml(file) if file.exists() else {}
    return ability.service_id, list(_origins(ability, document))


def _origins(ability: Ability, document: Mapping[str, Any]) -> Iterator[OptionOrigin]:
    upstream = read_upstream_config(ability.path / UPSTREAM)
    for item in fields(ability):
        value, given = getattr(ability, item.name), document.get(item.name)
        if item.name == "config":
            yield from _config(value, given or {}, upstream.config)
        elif is_dataclass(value):
            for part in fields(value):
                source = MANIFEST if part.name in (given or {}) else DEFAULT
                yield OptionOrigin(f"{item.name}.{part.name}", _text(getattr(value, part.name)), source)
        elif item.name != "path":
            source = _source(ability, item.name, upstream.header_params)
            yield OptionOrigin(item.name, _text(value), source if given is None else MANIFEST)


def _config(
    config: Mapping[str, str], given: Mapping[str, Any], upstream: Mapping[str, str]
) -> Iterator[OptionOrigin]:
    """Yields what wrapperInit receives: a key of ability.toml wins over the same one of aiges.toml."""
    own = dict(flat_texts(given))
    for name, value in config.items():
        shown = MASK if value and _SECRET_NAME.search(name) else _LOGIN.sub(MASK, value)
        source = MANIFEST if name in own else UPSTREAM if name in upstream else DEFAULT
        yield OptionOrigin(f"config.{name}", shown, source)


def _source(ability: Ability, name: str, header_params: tuple[str, ...]) -> str:
    """Returns the source of an option that ability.toml does not set."""
    if name == "header_params" and header_params:
        return UPSTREAM
    fallback = {"service_id": ability.path.name, "version": Ability.version}.get(name)
    value = ability.main_id if name == "service_id" else getattr(ability, name)
    # What is neither in ability.toml nor the default can only have been read from the source.
    return DEFAULT if fallback is None or value == fallback else WRAPPER


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
