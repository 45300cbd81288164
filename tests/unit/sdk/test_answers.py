"""What a response in one line is made of."""

import io
from typing import Any

import numpy as np
import pytest

from athena.sdk import ResponseData, answer

Image = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("grüß", "grüß"),
        (b"\x00", b"\x00"),
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        (0.5, "0.5"),
        (np.float32(0.5), "0.5"),
        (np.array([[1, 2]], np.int8), "[[1, 2]]"),
        ({"ü": np.array([0.25])}, '{"ü": [0.25]}'),
    ],
)
def test_values_become_what_a_caller_reads(value: Any, data: Any) -> None:
    (output,) = answer({"my-key": value}).list

    assert (output.key, output.data, output.type) == ("my-key", data, 0)


def test_a_picture_becomes_a_file() -> None:
    (output,) = answer(image=Image.new("RGB", (2, 1))).list

    assert (output.key, output.type) == ("image", 2)
    assert Image.open(io.BytesIO(output.data)).size == (2, 1)


def test_what_has_no_form_is_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="output 'scores' holds a number that JSON has not, such as NaN"):
        answer(scores=np.array([1, np.nan]))
    with pytest.raises(TypeError, match="output 'model' has a dict: object is nothing that JSON can hold"):
        answer(model={"a": object()})


def test_set_data_names_the_key_and_the_remedy() -> None:
    with pytest.raises(
        TypeError, match=r"output 'boxes': data must be .* got list; athena.sdk.answer\(boxes="
    ):
        ResponseData("boxes").setData([1])
