"""Ordinary requests, answered without Flask, which would cost as much again as all the rest.

Ordinary is a POST of JSON to an ability, without a query, whose body the quick check of the ability's schema
accepts. Whatever is not ordinary, and whatever is wrong with a request, is left to Flask, which begins anew:
so there is one place that refuses. tests/e2e/test_fast_path.py holds the answers of both together.
"""

from typing import Any

import orjson

from api.gateway import Gateway
from api.problems import error_body, unexpected
from api.request_body import Disconnected, RequestBody
from api.server import Answer, Scope
from api.submitting import NO_PREFERENCE, Prepared, Submitter
from api.views.answers import ended_answer
from api.views.waiting import Call, waited_too_long
from athena.errors import AthenaError
from athena.interface import Interface
from athena.references import names_sources
from athena.schema import RequestSchema, is_ordinary

_PREFIX = "/v1/private/"
_JSON = b"application/json"


class FastPath:
    """Answers the requests that most callers send."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._submitter = Submitter(gateway)

    async def answer(self, scope: Scope, body: RequestBody) -> Answer | None:
        """Returns the answer, or None for a request that Flask has to look at.

        Raises:
            Disconnected: the caller went away.
        """
        if scope["method"] != "POST" or scope["query_string"] or not _is_plain_json(scope["headers"]):
            return None
        known = self._gateway.watch.schemas.get(_service_id(scope["path"]))
        if known is None:
            return None
        interface, schema = known
        prepared = await self._read(interface, schema, body)
        if prepared is None:
            return None
        try:
            call = Call(self._gateway, prepared, body)
            del prepared
            wait_s = interface.limits.wait_s
            reply = await call.run(wait_s)
            if reply is None:
                raise waited_too_long(wait_s)
            return Answer(*ended_answer(reply))
        except Disconnected:
            raise
        except AthenaError as error:
            return _problem(error)
        except Exception as error:
            return _problem(unexpected(error))

    async def _read(self, interface: Interface, schema: RequestSchema, body: RequestBody) -> Prepared | None:
        limit_bytes = min(interface.limits.max_body_bytes, self._gateway.settings.max_body_bytes)
        if body.content_length is None:
            return None
        try:
            return self._prepare(interface, schema, await body.read(limit_bytes))
        except AthenaError:
            return None

    def _prepare(self, interface: Interface, schema: RequestSchema, raw: bytes) -> Prepared | None:
        """Returns a job ready for its queue; None if there is anything unusual about it."""
        try:
            envelope: Any = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        if names_sources(envelope) or not is_ordinary(schema, envelope):
            return None
        return self._submitter.prepare(interface, envelope, raw, NO_PREFERENCE)


def _service_id(path: str) -> str:
    """Returns what a path names if it is one of the two ordinary forms; no ability has a '/' in its name."""
    return path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else path[1:]


def _is_plain_json(headers: list[tuple[bytes, bytes]]) -> bool:
    types = []
    for name, value in headers:
        if name == b"content-type":
            types.append(value)
        elif name == b"prefer":
            return False
    return types == [_JSON]


def _problem(error: AthenaError) -> Answer:
    retry_after_s = error.retry_after_s
    headers = ((b"retry-after", str(retry_after_s).encode()),) if retry_after_s is not None else ()
    return Answer(error.http_status, error_body(error, ""), headers)
