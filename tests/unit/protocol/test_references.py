"""Inputs that a request names instead of holding them."""

from typing import Any

import pytest

from athena.errors import FetchError
from athena.protocol.references import Reference, find_references, names_sources, with_data, without_sources
from tests.unit.protocol.test_uploads import interface


def envelope(**payload: Any) -> dict[str, Any]:
    return {"header": {}, "payload": payload}


def test_a_reference_knows_where_its_data_belongs() -> None:
    request = envelope(
        image={"dataSrc": "http", "url": "http://a/b", "encoding": "jpg"}, note={"text": "YQ=="}
    )

    (reference,) = find_references(request, interface())

    assert reference == Reference("image", "image", "http://a/b")
    assert with_data(request, [reference], {"image": b"\0"})["payload"] == {
        "image": {"encoding": "jpg", "image": "AA=="},
        "note": {"text": "YQ=="},
    }
    assert "url" in request["payload"]["image"]


@pytest.mark.parametrize(
    "request_", [None, [], {}, {"payload": None}, {"payload": [1]}, envelope(a=None, b=3)]
)
def test_what_names_nothing_is_left_alone(request_: Any) -> None:
    assert not names_sources(request_)
    assert find_references(request_, interface()) == []
    assert without_sources(request_) == request_


def test_data_in_the_request_may_say_so() -> None:
    request = envelope(note={"dataSrc": "client", "text": "YQ=="})

    assert names_sources(request)
    assert find_references(request, interface()) == []
    assert without_sources(request) == envelope(note={"text": "YQ=="})


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"dataSrc": "s3", "url": "s3://a"}, "/payload/image/dataSrc"),
        ({"dataSrc": 1}, "/payload/image/dataSrc"),
        ({"dataSrc": "http"}, "/payload/image/url"),
        ({"dataSrc": "http", "url": ["http://a"]}, "/payload/image/url"),
    ],
)
def test_a_source_that_cannot_be_used_is_pointed_at(value: Any, pointer: str) -> None:
    with pytest.raises(FetchError) as refusal:
        find_references(envelope(image=value), interface())

    assert refusal.value.problems[0].pointer == pointer
    assert (refusal.value.code, refusal.value.http_status) == (10009, 400)
