"""A body of JSON is parsed once, and judged once."""

import gc
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from api.http.json_body import JsonBody
from athena.errors import RequestError
from athena.protocol.plain import plain_envelope
from tests.callers import REQUEST, Knowing

INTERFACE, SCHEMA = Knowing().ability("echo")


def envelope_of(document: Mapping[str, Any]) -> dict[str, Any]:
    return plain_envelope(INTERFACE, document, "me")


def test_quick_check_is_asked_once() -> None:
    judged: list[Any] = []

    def quick_check(document: Any) -> bool:
        judged.append(document)
        return True

    body = JsonBody(json.dumps(REQUEST).encode(), replace(SCHEMA, quick_check=quick_check), envelope_of)

    assert body.is_quick
    assert body.envelope() is body.document
    assert judged == [REQUEST]


def test_whole_numbers_are_exact() -> None:
    huge = 2**70
    body = JsonBody(
        json.dumps({**REQUEST, "parameter": {"echo": {"category": huge}}}).encode(), SCHEMA, envelope_of
    )

    assert not body.is_quick
    assert body.envelope()["parameter"]["echo"]["category"] == huge


@pytest.mark.parametrize("raw", [b"{", b"[" + b"1," * 30_000 + b"1]"])
def test_what_cannot_be_read_is_told_as_often_as_it_is_asked_for(raw: bytes) -> None:
    body = JsonBody(raw, SCHEMA, envelope_of)

    told = []
    for _ in range(2):
        with pytest.raises(RequestError) as error:
            body.envelope()
        told.append((error.value.message, error.value.problems))

    assert not body.is_quick
    assert told[0] == told[1]


def test_what_cannot_be_read_leaves_nothing_to_the_garbage_collector() -> None:
    def refused() -> None:
        try:
            JsonBody(b"{", SCHEMA, envelope_of).envelope()
        except RequestError:
            return
        raise AssertionError("it was read")

    refused()
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            refused()
        assert gc.collect() == 0
    finally:
        gc.enable()
