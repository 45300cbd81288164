"""A request's body, in any of the forms that are accepted: JSON, a form with files, or one input alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from athena.errors import MediaTypeError, Problem, RequestError
from athena.interface import Interface
from athena.uploads import Upload, build_envelope

JSON = "application/json"
FORM = "multipart/form-data"

#: Content types of one input alone; `application/octet-stream` as well.
RAW_FAMILIES = ("text/", "image/", "audio/", "video/")
BINARY = "application/octet-stream"

#: The part of a form that holds an envelope, without the inputs' data.
ENVELOPE_PART = "request"

#: Query parameters that are not the ability's.
_OWN_QUERY = ("serviceId", "input")

_MAX_PARTS = 1000


@dataclass(frozen=True)
class Body:
    """A request's body.

    Attributes:
        envelope: what it says, not validated.
        identity: bytes by which two requests are told apart; the same request sent as another form differs.
    """

    envelope: Any
    identity: bytes


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


def read_body(request: Request, raw: bytes, interface: Interface) -> Body:
    """Returns what a body says.

    Raises:
        RequestError: it is not what its content type says, or its fields cannot be used.
    """
    if request.mimetype == JSON:
        return Body(parse_json(raw), raw)
    query = [(name, value) for name, value in request.args.items(multi=True) if name not in _OWN_QUERY]
    if request.mimetype == FORM:
        envelope = _read_form(request, raw, query, interface)
    else:
        charset = request.mimetype_params.get("charset", "")
        upload = Upload(request.args.get("input", ""), raw, request.mimetype, charset)
        envelope = build_envelope(interface, query, [upload])
    return Body(envelope, orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS))


def parse_json(raw: bytes) -> Any:
    """Reads JSON.

    Raises:
        RequestError: it is none; the detail says where.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            "the request is not JSON", problems=(Problem("", f"is not JSON: {error}"),)
        ) from None


def _read_form(
    request: Request, raw: bytes, query: list[tuple[str, str]], interface: Interface
) -> dict[str, Any]:
    fields, files = _parse_form(request, raw)
    names = {*interface.input_types}
    base: Any = {}
    uploads = []
    for name, file in files:
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
    parser = MultiPartParser(
        stream_factory=lambda *_, **__: BytesIO(), max_form_memory_size=None, max_form_parts=_MAX_PARTS
    )
    try:
        if not boundary:
            raise ValueError("the content-type names no boundary")
        form, files = parser.parse(BytesIO(raw), boundary, len(raw))
    except (ValueError, HTTPException) as error:
        detail = f"is not {FORM}: {getattr(error, 'description', None) or error}"
        raise RequestError("the form cannot be read", problems=(Problem("", detail),)) from None
    return form.items(multi=True), files.items(multi=True)


def _upload(name: str, file: FileStorage) -> Upload:
    content_type, options = parse_options_header(file.content_type or "")
    key = name.removeprefix("payload.")
    return Upload(key, file.read(), content_type.lower(), options.get("charset", ""))
