"""What an edit of a folder changes, and what that takes."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from athena.ability.changes import PLANNED, RENEWED, options_of, planned_changes
from athena.ability.manifest import Ability

ABILITY = Ability(Path("/abilities/echo"), "echo")


def changed(key: str) -> Ability:
    """Returns the ability with another value of one option."""
    table, _, name = key.rpartition(".")
    holder: Any = getattr(ABILITY, table) if table else ABILITY
    value = other_than(getattr(holder, name))
    return replace(ABILITY, **{table: replace(holder, **{name: value})} if table else {name: value})


def other_than(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, dict):
        return {**value, "new": "1"}
    if isinstance(value, tuple):
        return (*value, "new")
    return f"{value}2" if isinstance(value, str) else value + 1


def test_each_option_is_known_to_need_a_restart_of_the_worker_or_of_athena() -> None:
    assert options_of(ABILITY).keys() == PLANNED | RENEWED
    assert not PLANNED & RENEWED


def test_no_option_is_left_out() -> None:
    tables = {"gpu", "worker", "limits", "resources", "retry"}
    expected = {item.name for item in fields(Ability)} - tables - {"path"}
    for table in tables:
        expected |= {f"{table}.{item.name}" for item in fields(getattr(ABILITY, table))}

    assert options_of(ABILITY).keys() == expected


@pytest.mark.parametrize("key", sorted(options_of(ABILITY)))
def test_change_is_told_of_what_a_host_is_planned_by(key: str) -> None:
    changes = planned_changes(ABILITY, changed(key))

    assert [line.partition(" ")[0] for line in changes] == ([key] if key in PLANNED else [])


def test_change_names_both_values() -> None:
    assert planned_changes(ABILITY, changed("gpu.workers_per_gpu")) == [
        "gpu.workers_per_gpu was changed from 1 to 2"
    ]


def test_version_that_is_to_stand_beside_changes_its_name_by_that_alone() -> None:
    aside = replace(ABILITY, beside=True, service_id="echo@v2")

    assert planned_changes(ABILITY, aside) == ["beside was changed from false to true"]
    assert len(planned_changes(ABILITY, replace(aside, service_id="other@v2"))) == 2
