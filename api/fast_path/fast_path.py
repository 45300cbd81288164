"""Ordinary requests, answered without Flask, which would cost as much again as all the rest.

Ordinary is a POST of JSON to an ability, without a query, whose body the quick check of the ability's schema
accepts. Whatever is not ordinary is left to Flask, with the call that was opened for it: nothing is parsed,
judged or let through the gate twice. tests/e2e/test_fast_path.py holds the answers of all ways together.
"""

from api.gateway.call import CALL, Call, handed_on, open_call, open_call_of, problem_of
from api.gateway.caller import UNWATCHED_S
from api.gateway.gate import Visit
from api.gateway.gateway import Ability, Gateway
from api.gateway.submitter import Submitter
from api.http.asgi import Answer, Scope
from api.http.heads import Headers, is_json, names_data
from api.http.request_body import RequestBody
from athena.errors import AthenaError
from athena.protocol.paths import DEFAULT_VERSION, side_id

_PRIVATE = "/private/"
_PREFIX = f"/{DEFAULT_VERSION}{_PRIVATE}"


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
        try:
            call = handed_on(scope) or self._open(scope)
        except AthenaError as error:
            return problem_of(error)
        if call is None:
            return None
        with call:
            try:
                raw = await body.read(call.limit_bytes)
            except AthenaError:
                # Flask is told the same, and closes connections whose bodies were not read.
                scope[CALL] = call
                return None
            try:
                is_ready = call.is_prepared or call.prepare_ordinary(raw)
            except AthenaError as error:
                return call.refuse(error)
            if is_ready:
                return await call.respond(body)
            scope[CALL] = call
            return None

    def open_direct(self, path: str, visit: Visit | None, size_bytes: int) -> Call | None:
        """Opens the call of a request that is to be answered directly.

        None where the ability is unknown, takes no such body, or waits for no more than a moment.

        Raises:
            AthenaError: a rule of the gate refuses it.
        """
        known = self._find(path)
        if known is None:
            return None
        limits = known[0].limits
        most_bytes = min(limits.max_body_bytes, self._gateway.settings.max_body_bytes)
        # The direct way's brief future would outlast such a wait.
        if size_bytes > most_bytes or limits.wait_s <= UNWATCHED_S:
            return None
        return open_call(self._submitter, known, visit)

    def knows(self, path: bytes) -> bool:
        """Whether a path names an ability in one of the two ordinary forms."""
        return self._find(path.decode("latin-1")) is not None

    def _open(self, scope: Scope) -> Call | None:
        if scope["method"] != "POST" or scope["query_string"] or not _is_plain_json(scope["headers"]):
            return None
        known = self._find(scope["path"])
        return open_call_of(scope, self._submitter, known) if known is not None else None

    def _find(self, path: str) -> Ability | None:
        schemas = self._gateway.watch.schemas
        return schemas.get(_service_id(path)) or schemas.get(_side_id(path))


def _service_id(path: str) -> str:
    """Returns what a path names if it is one of the two ordinary forms; no ability has a '/' in its name."""
    return path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else path[1:]


def _side_id(path: str) -> str:
    """Returns the side version that a path names in the long form; others are none's."""
    version, _, service_id = path[1:].partition(_PRIVATE)
    return side_id(service_id, version)


def _is_plain_json(headers: Headers) -> bool:
    types = []
    for name, value in headers:
        if name == b"content-type":
            types.append(value)
        elif name == b"prefer" or (name == b"accept" and names_data(value)):
            return False
    return len(types) == 1 and is_json(types[0])
