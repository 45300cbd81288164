"""Ordinary requests, answered without Flask, which would cost as much again as all the rest.

Ordinary is a POST of JSON to an ability, without a query, whose body the quick check of the ability's schema
accepts. Whatever is not ordinary, and whatever is wrong with a request, is left to Flask, which begins anew:
so there is one place that refuses. tests/e2e/test_fast_path.py holds the answers of both together.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from api.gateway.call import UNWATCHED_S, Call, waited_too_long
from api.gateway.gateway import Gateway
from api.gateway.submitter import NO_PREFERENCE, Prepared, Submitter
from api.http.answers import ended_answer
from api.http.asgi import Answer, Scope
from api.http.heads import is_json
from api.http.problems import problem_answer, unexpected
from api.http.request_body import Disconnected, RequestBody
from athena.errors import AthenaError, RequestError
from athena.protocol.interface import Interface
from athena.protocol.references import names_sources
from athena.protocol.schema import RequestSchema, is_ordinary
from athena.protocol.widths import check_text
from athena.store.submission import Reply, Submission

_PREFIX = "/v1/private/"


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
        known = self._find(scope["path"])
        if known is None:
            return None
        interface, schema = known
        try:
            prepared = self._prepare(interface, schema, await body.read(self._limit_bytes(interface)))
        except AthenaError:
            return None
        if prepared is None:
            return None
        call, wait_s = Call(self._gateway, prepared, body), interface.limits.wait_s
        del prepared
        late = partial(waited_too_long, self._gateway, call.is_private, wait_s)
        return await answer_of(call.run(wait_s), late)

    def prepare(self, path: str, raw: bytes) -> tuple[Submission, float] | None:
        """Returns the job of a whole request, and how long its caller waits.

        None where there is anything unusual about it: its inputs are large, it has a `request_id`, its
        ability is unknown or waits for no more than a moment, or the job is refused.
        """
        known = self._find(path)
        # Found elsewhere than in the header, it only makes the request take the longer way.
        if known is None or b"request_id" in raw:
            return None
        interface, schema = known
        wait_s = interface.limits.wait_s
        if len(raw) > self._limit_bytes(interface) or wait_s <= UNWATCHED_S:
            return None
        try:
            self._gateway.check_room()
            prepared = self._prepare(interface, schema, raw)
        except AthenaError:
            return None
        if prepared is None or prepared[1] is not None or not prepared[0].abandonable:
            return None
        return prepared[0], wait_s

    def knows(self, path: bytes) -> bool:
        """Whether a path names an ability in one of the two ordinary forms."""
        return self._find(path.decode("latin-1")) is not None

    def _find(self, path: str) -> tuple[Interface, RequestSchema] | None:
        return self._gateway.watch.schemas.get(_service_id(path))

    def _limit_bytes(self, interface: Interface) -> int:
        return min(interface.limits.max_body_bytes, self._gateway.settings.max_body_bytes)

    def _prepare(self, interface: Interface, schema: RequestSchema, raw: bytes) -> Prepared | None:
        """Returns a job ready for its queue; None if there is anything unusual about it."""
        try:
            check_text(raw)
            envelope: Any = orjson.loads(raw)
        except (RequestError, orjson.JSONDecodeError):
            return None
        if names_sources(envelope) or not is_ordinary(schema, envelope):
            return None
        return self._submitter.prepare(interface, envelope, raw, NO_PREFERENCE)


async def answer_of(end: Awaitable[Reply | None], late: Callable[[], AthenaError]) -> Answer:
    """Returns what a caller is answered when his job ends, is refused, or takes too long (`late`).

    Raises:
        Disconnected: he went away.
    """
    try:
        reply = await end
        if reply is None:
            raise late()
        return Answer(*ended_answer(reply))
    except Disconnected:
        raise
    except AthenaError as error:
        return problem_answer(error)
    except Exception as error:
        return problem_answer(unexpected(error))


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
    return len(types) == 1 and is_json(types[0])
