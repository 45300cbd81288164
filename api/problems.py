"""The one place where an error becomes HTTP."""

import logging

import orjson
from flask import Response

from athena.errors import AthenaError, InternalError

logger = logging.getLogger(__name__)

JSON = "application/json"


def error_body(error: AthenaError, job_id: str) -> bytes:
    """Returns the error form: the ASF envelope, with a JSON pointer for each thing that is wrong."""
    header: dict[str, object] = {"code": error.code, "message": _message(error), "sid": job_id}
    if error.problems:
        header["errors"] = [
            {"pointer": problem.pointer, "detail": problem.detail} for problem in error.problems
        ]
    return orjson.dumps({"header": header})


def problem_response(error: AthenaError, job_id: str = "") -> Response:
    """Returns the HTTP answer for an error."""
    response = Response(error_body(error, job_id), status=error.http_status, content_type=JSON)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def unexpected(error: Exception) -> InternalError:
    """Logs what should not have happened, and returns what a caller is told of it."""
    logger.error("unexpected error", exc_info=error)
    return InternalError("unexpected error; the gateway's log holds the details")


def _message(error: AthenaError) -> str:
    if not error.problems:
        return error.message
    first = error.problems[0]
    more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
    return f"{error.message}: {first.pointer or '/'} {first.detail}{more}"
