"""JSON that is mostly one long text in base64, such as a picture: read around it.

A parser looks at each character of a text for what ends or escapes it; a decoder of base64 takes a tenth of
that time to say that none of them does. So what lies around such texts is parsed, and they are put in.
"""

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pybase64

#: Texts of this length are worth it.
LONG_BYTES = 131_072

#: Texts behind so many quotes stay where they are; where more lies around the others, all is parsed as it is.
MAX_QUOTES = 400
MAX_REST_BYTES = 65_536

#: So much before and behind the end of a text is looked at: it may be escaped, and the text may be a name.
_LOOK_BYTES = 16

#: Stands for a text while the rest is parsed. Nobody outside of this process knows it.
_MARK = secrets.token_hex(16)


class _Text(NamedTuple):
    """The place of a text, without its quotes."""

    start: int
    end: int


def load_around_texts(raw: bytes) -> Any:
    """Returns what `orjson.loads` does.

    Raises:
        orjson.JSONDecodeError: it is no JSON.
    """
    texts = [text for text in _long_texts(raw) if _is_value(raw, text) and _is_base64(raw, text)]
    if not texts or len(raw) - sum(text.end - text.start for text in texts) > MAX_REST_BYTES:
        return orjson.loads(raw)
    try:
        document = orjson.loads(_without(raw, texts))
    except orjson.JSONDecodeError:
        # Its message tells where, and that is to be where the caller looks.
        return orjson.loads(raw)
    view = memoryview(raw)
    marked = {_mark(number): str(view[text.start : text.end], "ascii") for number, text in enumerate(texts)}
    return _with_texts(document, marked)


def _long_texts(raw: bytes) -> Iterator[_Text]:
    """Yields the long texts between the first quotes; in what is no JSON, perhaps something else."""
    start = place = -1
    for _ in range(MAX_QUOTES):
        place = raw.find(b'"', place + 1)
        if place < 0:
            return
        if start < 0:
            start = place
            continue
        before = raw[max(start, place - _LOOK_BYTES) : place]
        escapes = len(before) - len(before.rstrip(b"\\"))
        if escapes == _LOOK_BYTES:
            # Whether they escape the quote shows where their row begins, and that may be far away.
            return
        if escapes % 2 == 0:
            if place - start > LONG_BYTES:
                yield _Text(start + 1, place)
            start = -1


def _is_value(raw: bytes, text: _Text) -> bool:
    behind = raw[text.end + 1 : text.end + 1 + _LOOK_BYTES].lstrip(b" \t\r\n")
    return bool(behind) and not behind.startswith(b":")


def _is_base64(raw: bytes, text: _Text) -> bool:
    try:
        pybase64.b64decode(memoryview(raw)[text.start : text.end], validate=True)
    except ValueError:
        return False
    return True


def _mark(number: int) -> str:
    return f"{_MARK}{number}"


def _without(raw: bytes, texts: list[_Text]) -> bytes:
    """Returns JSON with a mark in place of each of these texts."""
    pieces: list[bytes] = []
    place = 0
    for number, text in enumerate(texts):
        pieces += (raw[place : text.start], _mark(number).encode())
        place = text.end
    return b"".join((*pieces, raw[place:]))


def _with_texts(document: Any, marked: dict[str, str]) -> Any:
    """Puts the texts where their marks are."""
    if isinstance(document, str):
        return marked.get(document, document)
    containers = [document]
    while containers:
        container = containers.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in items:
            if isinstance(item, str):
                # What is there already gets another value: neither grows.
                container[key] = marked.get(item, item)
            elif isinstance(item, dict | list):
                containers.append(item)
    return document
