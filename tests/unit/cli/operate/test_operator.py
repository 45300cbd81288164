"""Tables on a terminal."""

import pytest

from athena.cli.operate.operator import print_table


def test_columns_are_as_wide_as_they_look(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [("识别文字", 1), ("e\u0301", None), ("plain", "x")])

    assert capsys.readouterr().out == "A         B\n识别文字  1\ne\u0301         -\nplain     x\n"


def test_empty_table_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A",), [])

    assert capsys.readouterr().out == "none\n"
