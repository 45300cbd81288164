"""Constants of Lua scripts, written where they are used."""

import re

import pytest

from athena.store.lua_constants import with_constants
from athena.store.scripts import SCRIPTS, Script


def test_numbers_and_texts_stand_where_they_are_used() -> None:
    source = "local JOB, DAY_MS = 'athena:job:', 24 * 3600\nreturn {JOB .. id, now - DAY_MS, JOB}\n"

    assert with_constants(source) == "\nreturn {'athena:job:' .. id, now - (24 * 3600), 'athena:job:'}\n"


def test_names_in_texts_are_no_constants() -> None:
    source = "local OK, ID = 'yes', '\\'ID'\nreturn 'OK' .. \"OK\" .. t.OK .. OKAY .. OK .. ID\n"

    assert with_constants(source) == "\nreturn 'OK' .. \"OK\" .. t.OK .. OKAY .. 'yes' .. '\\'ID'\n"


def test_comments_go_and_lines_keep_their_numbers() -> None:
    source = "-- of JOB\nlocal JOB = 'j'\nlocal x = JOB -- JOB's\nreturn '--' .. x\n"

    assert with_constants(source) == "\n\nlocal x = 'j' \nreturn '--' .. x\n"


@pytest.mark.parametrize(
    "line", ["local T = {1, 2}", "local A, B = 1, f()", "local N = #ARGV", "local n = 1"]
)
def test_what_has_to_be_worked_out_stays(line: str) -> None:
    source = f"{line}\nreturn A, B, N, T, n\n"

    assert with_constants(source) == source


def test_constant_has_one_value() -> None:
    with pytest.raises(ValueError, match="LIMIT is 1 and 2"):
        with_constants("local LIMIT = 1\nlocal LIMIT = 2\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_keep_no_variable_for_a_key(script: Script) -> None:
    code = re.sub(r"'(?:[^'\\]|\\.)*'", "''", script.source)

    assert not re.search(r"\b(JOB|RESULT|LINE|OPEN|COUNTS)\b", code)
