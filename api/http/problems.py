"""The one place where an error becomes HTTP."""

import logging
from collections.abc import Sequence

import orjson
from flask import Response

from api.http.asgi import Answer
from api.http.request_body import CODINGS
from athena.errors import AthenaError, ContentCodingError, CredentialsError, InternalError, Problem
from athena.plain_text import MAX_CHARS, clipped

logger = logging.getLogger(__name__)

JSON = "application/json"

#: Entries of `errors`; where there are more problems, the last one tells how many.
MAX_ERRORS = 50

#: Bytes of all these entries, and characters of a text in them and of the message: what a caller has sent is
#: repeated in them.
MAX_ERRORS_BYTES = 12_288
TEXT_LENGTH = 500
MESSAGE_LENGTH = MAX_CHARS + 500


def error_body(error: AthenaError, job_id: str) -> bytes:
    """Returns the error form: the ASF envelope, with a JSON pointer for each thing that is wrong."""
    return orjson.dumps({"header": error_header(error, job_id)})


def error_header(error: AthenaError, job_id: str = "", max_errors: int = MAX_ERRORS) -> dict[str, object]:
    """Returns the header of the error form."""
    header: dict[str, object] = {"code": error.code, "message": _message(error), "sid": job_id}
    if error.problems:
        header["errors"] = _listed(error.problems, max_errors)
    return header


def _listed(problems: Sequence[Problem], max_errors: int) -> list[object]:
    entries: list[object] = []
    left_bytes = MAX_ERRORS_BYTES
    for problem in problems if len(problems) <= max_errors else problems[: max_errors - 1]:
        entry = orjson.dumps({"pointer": _cut(problem.pointer), "detail": _cut(problem.detail)})
        left_bytes -= len(entry)
        if entries and left_bytes < 0:
            break
        entries.append(orjson.Fragment(entry))
    if len(entries) < len(problems):
        entries.append({"pointer": "", "detail": f"and {len(problems) - len(entries)} more"})
    return entries


def _cut(text: str) -> str:
    return clipped(text, TEXT_LENGTH)


UNAUTHORIZED = CredentialsError.http_status

#: How a caller may prove who they are (RFC 9110, 11.6.1).
CHALLENGE = 'Bearer realm="athena", hmac realm="athena"'


def problem_response(error: AthenaError, job_id: str = "") -> Response:
    """Returns the HTTP answer for an error, which forgets its origin."""
    error.forget_origin()
    response = Response(error_body(error, job_id), status=error.http_status, content_type=JSON)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.http_status == UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, ContentCodingError):
        response.headers["Accept-Encoding"] = ", ".join(CODINGS)
    return response


def problem_answer(error: AthenaError) -> Answer:
    """Returns the answer for an error, where Flask has no part in it; the error forgets its origin."""
    error.forget_origin()
    headers = []
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if error.http_status == UNAUTHORIZED:
        headers.append((b"www-authenticate", CHALLENGE.encode()))
    return Answer(error.http_status, error_body(error, ""), tuple(headers))


def unexpected(error: Exception) -> InternalError:
    """Logs what should not have happened, and returns what a caller is told of it."""
    logger.error("unexpected error", exc_info=error)
    return InternalError("unexpected error; the gateway's log holds the details")


def _message(error: AthenaError) -> str:
    message = clipped(error.message, MESSAGE_LENGTH)
    if not error.problems:
        return message
    first = error.problems[0]
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    return f"{message}: {_cut(first.pointer) or '/'} {_cut(first.detail)}{more}"
