"""Parameters, read with their types."""

from typing import Any

import pytest

from athena.sdk import BooleanParamField, IntegerParamField, NumberParamField, StringParamField


@pytest.mark.parametrize(
    ("field", "sent", "expected"),
    [
        (StringParamField(key="a"), {"a": "x"}, "x"),
        (StringParamField(key="a"), {"a": ""}, ""),
        (StringParamField(key="a"), {}, None),
        (StringParamField(key="a", default="y"), {}, "y"),
        (NumberParamField(key="a"), {"a": "0.5"}, 0.5),
        (NumberParamField(key="a"), {"a": "3"}, 3.0),
        (NumberParamField(key="a", default=2), {"a": ""}, 2.0),
        (NumberParamField(key="a"), {}, None),
        (IntegerParamField(key="a"), {"a": "3"}, 3),
        (IntegerParamField(key="a", default=7), {}, 7),
        (IntegerParamField(key="a"), {}, None),
        (BooleanParamField(key="a"), {"a": "true"}, True),
        (BooleanParamField(key="a"), {"a": "false"}, False),
        (BooleanParamField(key="a"), {}, False),
        (BooleanParamField(key="a", default=True), {}, True),
        (BooleanParamField(key="a", default=True), {"a": ""}, True),
        (BooleanParamField(key="a", default=True), {"a": "false"}, False),
    ],
)
def test_a_parameter_has_its_type(field: Any, sent: dict[str, str], expected: Any) -> None:
    found = field.of(sent)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (NumberParamField(key="a"), "b"),
        (IntegerParamField(key="a"), "1.5"),
        (BooleanParamField(key="a"), "yes"),
    ],
)
def test_what_has_another_type_is_told(field: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"parameter 'a' is no {field.json_type}: '{text}'"):
        field.of({"a": text})
