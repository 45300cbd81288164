"""The settings as operators are told of them: the table, where each value comes from, names that are none."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from athena.settings import MASK, PREFIX, Settings, from_env, raw_of, variable_of

#: What processes of Athena tell each other by; nobody else sets them.
_OWN_VARIABLES = frozenset(
    (
        "ATHENA_BIRTHMARK",
        "ATHENA_ENVIRONMENT_PROBLEM",
        "ATHENA_LISTEN_FD",
        "ATHENA_WORKER_LAUNCH",
        "ATHENA_WRAPPER_LOGS",
    )
)

#: What programs that call a gateway read (`athena.client.surroundings`); no part of one does.
_CALLERS_VARIABLES = frozenset(("ATHENA_URL", "ATHENA_KEY", "ATHENA_KEY_FILE", "ATHENA_CA_FILE"))

#: Whether and how tests run; they are no settings.
_TEST_PREFIX = "ATHENA_TEST_"


@dataclass(frozen=True)
class SettingRow:
    """One row of the table, for help texts and documents."""

    variable: str
    default: str
    help: str


def setting_table() -> list[SettingRow]:
    """Returns all settings in the order of their declaration."""
    return [
        SettingRow(variable_of(item.name), item.metadata["default"], item.metadata["help"])
        for item in fields(Settings)
    ]


@dataclass(frozen=True)
class Origin:
    """A setting as it counts, and where it comes from.

    Attributes:
        name: the attribute of `Settings`.
        value: as text; a secret is masked, an empty one is empty.
        source: `default`, `environment`, `file` with its name, or `option` with its name.
    """

    name: str
    variable: str
    value: str
    source: str


def origins(environ: Mapping[str, str], **options: str | None) -> list[Origin]:
    """Returns all settings as `from_env` reads them, in the order of their declaration.

    Raises:
        ConfigError: a value cannot be used; the message names the variable or the option.
    """
    settings = from_env(environ, **options)
    found = []
    for item in fields(Settings):
        raw, source = raw_of(item, environ, options.get(item.name))
        value = getattr(settings, item.name)
        # A file's name counts as the absolute one; a tuple or a map is best told as it was written.
        shown = str(value) if isinstance(value, Path | str) else raw
        masked = MASK if item.metadata["secret"] and shown else shown
        found.append(Origin(item.name, variable_of(item.name), masked, source))
    return found


def unknown_variables(names: Iterable[str]) -> list[tuple[str, str]]:
    """Returns the variables that look like settings and are none, each with the nearest setting, or ""."""
    known = [variable_of(item.name) for item in fields(Settings)]
    known += [f"{name}_FILE" for name in known]
    return [
        (name, next(iter(difflib.get_close_matches(name, known, 1)), ""))
        for name in sorted(names)
        if name.startswith(PREFIX)
        and not name.startswith(_TEST_PREFIX)
        and name not in _OWN_VARIABLES.union(_CALLERS_VARIABLES, known)
    ]
