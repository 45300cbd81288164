"""Requests that are no JSON but become an envelope: a form with files, or one input alone."""

import json
import re
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import orjson
from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from api.http.json_body import parse_json
from athena.errors import MediaTypeError, Problem, RequestError
from athena.protocol.interface import Interface
from athena.protocol.uploads import Upload, build_envelope

JSON = "application/json"
FORM = "multipart/form-data"

#: Content types of one input alone; `application/octet-stream` as well.
RAW_FAMILIES = ("text/", "image/", "audio/", "video/")
BINARY = "application/octet-stream"

#: The part of a form that holds an envelope, without the inputs' data.
ENVELOPE_PART = "request"

_APP_NAMES = frozenset(("app_id", "appid"))

#: Query parameters that are not the ability's.
_OWN_QUERY = ("serviceId", "input")

_MAX_PARTS = 1000

#: Bytes of what stands before a form's first part or in a part's head, and of all these together: a form's
#: parser takes a thousand times as long for them as for data.
_MAX_HEAD_BYTES, _MAX_HEADS_BYTES = 8192, 262_144

_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")

#: Bytes that a form's parser reads at once.
_PIECE_BYTES = 65_536


def check_media_type(request: Request) -> None:
    """Refuses a body of a kind that is not known, before it is read.

    Raises:
        MediaTypeError: it is neither JSON nor a form nor an input.
    """
    mimetype = request.mimetype
    if mimetype not in (JSON, FORM, BINARY) and not mimetype.startswith(RAW_FAMILIES):
        raise MediaTypeError(
            f"content-type must be {JSON}, {FORM}, or for one input alone text/*, image/*, audio/*, video/* "
            f"or {BINARY}"
        )


def read_upload(
    request: Request, raw: bytes, interface: Interface, app_id: str
) -> tuple[dict[str, Any], bool]:
    """Returns the envelope of a body that is no JSON, not validated, and whether it is answered plainly.

    It is where it says nothing of its app: whoever speaks of envelopes names one.

    Args:
        request: its head.
        raw: its body.
        interface: of the ability.
        app_id: whose job it is where the request does not say.

    Raises:
        RequestError: it is not what its content type says, or its fields cannot be used.
    """
    query = _read_query(request)
    if request.mimetype == FORM:
        envelope = _read_form(request, raw, query, interface)
    else:
        charset = request.mimetype_params.get("charset", "")
        upload = Upload(request.args.get("input", ""), raw, request.mimetype, charset)
        envelope = build_envelope(interface, query, [upload])
    if not _APP_NAMES.isdisjoint(envelope["header"]):
        return envelope, False
    return {**envelope, "header": {"app_id": app_id, **envelope["header"]}}, True


def identity_of(envelope: Any) -> bytes:
    """Returns bytes that are the same for the same envelope; sent in another form it differs."""
    try:
        return orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number of more than 64 bits
        return json.dumps(envelope, sort_keys=True).encode()


def _read_query(request: Request) -> list[tuple[str, str]]:
    query = [(name, value) for name, value in request.args.items(multi=True) if name not in _OWN_QUERY]
    if len(query) > _MAX_PARTS:
        detail = f"the query has {len(query)} fields; at most {_MAX_PARTS} are accepted"
        raise RequestError("the query cannot be used", problems=(Problem("", detail),))
    return query


def _read_form(
    request: Request, raw: bytes, query: list[tuple[str, str]], interface: Interface
) -> dict[str, Any]:
    fields, files = _parse_form(request, raw)
    names = {*interface.input_types}
    base: Any = {}
    uploads = []
    for name, file in files:
        # An ability may have an input of that name.
        if name == ENVELOPE_PART and ENVELOPE_PART not in names:
            base = parse_json(file.read())
        else:
            uploads.append(_upload(name, file))
    plain = []
    for name, value in [*query, *fields]:
        key = name.removeprefix("payload.")
        if name == ENVELOPE_PART and ENVELOPE_PART not in names:
            base = parse_json(value.encode())
        elif key in names:
            uploads.append(Upload(key, value.encode(), "text/plain", "utf-8"))
        else:
            plain.append((name, value))
    if not isinstance(base, dict):
        problem = Problem("", f"the part {ENVELOPE_PART!r} must be a JSON object")
        raise RequestError("the form cannot be used", problems=(problem,))
    return build_envelope(interface, plain, uploads, base)


def _parse_form(
    request: Request, raw: bytes
) -> tuple[Iterable[tuple[str, str]], Iterable[tuple[str, FileStorage]]]:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    try:
        if not boundary:
            raise ValueError("the content-type names no boundary")
        _check_heads(raw, b"--" + boundary)
        # The body was bounded when it was read and is in memory; werkzeug would write large parts to files.
        parser = MultiPartParser(
            stream_factory=lambda *_, **__: BytesIO(),
            max_form_memory_size=None,
            max_form_parts=_MAX_PARTS,
            buffer_size=_piece_bytes(raw, b"--" + boundary),
        )
        form, files = parser.parse(BytesIO(raw), boundary, len(raw))
    except (ValueError, HTTPException) as error:
        detail = f"is not {FORM}: {getattr(error, 'description', None) or error}"
        raise RequestError("the form cannot be read", problems=(Problem("", detail),)) from None
    return form.items(multi=True), files.items(multi=True)


def _check_heads(raw: bytes, delimiter: bytes) -> None:
    """Looks for parts whose heads are too long before a parser reads them.

    Raises:
        ValueError: there is one, or no part where the first one must begin.
    """
    at, total_bytes = raw.find(delimiter, 0, _MAX_HEAD_BYTES), 0
    if at < 0:
        raise ValueError(f"no part begins in its first {_MAX_HEAD_BYTES} bytes")
    while at >= 0:
        start = at + len(delimiter)
        if raw.startswith(b"--", start):
            return
        # A part begins behind a line end; elsewhere the same bytes are data.
        if at == 0 or raw[at - 1] in b"\r\n" or not total_bytes:
            blank = _BLANK_LINE.search(raw, start, start + _MAX_HEAD_BYTES)
            total_bytes += (blank.end() if blank else len(raw)) - start
            if (blank is None and len(raw) - start > _MAX_HEAD_BYTES) or total_bytes > _MAX_HEADS_BYTES:
                raise ValueError(
                    f"a part's headers may have {_MAX_HEAD_BYTES} bytes, and all together {_MAX_HEADS_BYTES}"
                )
        at = raw.find(delimiter, start)


def _piece_bytes(raw: bytes, delimiter: bytes) -> int:
    """Returns the size of pieces of which none ends in the last byte of the closing delimiter.

    Where one does, werkzeug 3.1.9 adds a byte to the data before it (pallets/werkzeug#3285).
    """
    closing = re.search(rb"[\r\n]" + re.escape(delimiter) + rb"--", raw)
    if closing is None or (closing.end() - 1) % _PIECE_BYTES:
        return _PIECE_BYTES
    return _PIECE_BYTES - 1


def _upload(name: str, file: FileStorage) -> Upload:
    content_type, options = parse_options_header(file.content_type or "")
    key = name.removeprefix("payload.")
    return Upload(key, file.read(), content_type.lower(), options.get("charset", ""))
