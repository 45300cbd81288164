"""What an answer says, or why it says nothing."""

from collections.abc import Mapping
from typing import Any

from athena.client.attempts import passes, speaks_as_gateway
from athena.client.errors import ClientError, JobFailedError, RefusedError, UnreachableError
from athena.client.exchange import Answer
from athena.errors import Problem


def checked(answer: Answer) -> Any:
    """Returns what an answer says.

    Raises:
        ClientError: it is an error.
    """
    document = answer.document()
    if answer.status < 300 and isinstance(document, dict):
        return document
    raise _error_of(answer)


def _error_of(answer: Answer) -> ClientError:
    if not speaks_as_gateway(answer):
        said = answer.headers.get("location") or answer.body[:80].decode(errors="replace").strip()
        return UnreachableError(
            f"HTTP {answer.status} of something that is no gateway: {said!r}",
            http_status=answer.status,
            retryable=passes(answer),
        )
    return refusal(answer.document()["header"], answer.status, passes(answer))


def refusal(header: Mapping[str, Any], status: int, passes_later: bool) -> ClientError:
    """Returns what a gateway's error says.

    Args:
        header: the error's, as docs/protocol.md, 4 has it.
        status: of the answer, or of one of many in it.
        passes_later: whether another try may change it.
    """
    problems = tuple(
        Problem(str(item.get("pointer", "")), str(item.get("detail", "")))
        for item in header.get("errors", ())
    )
    job_id = str(header.get("sid") or "")
    kind = JobFailedError if job_id and status not in (429, 503) else RefusedError
    return kind(
        str(header.get("message", "")),
        code=header["code"],
        http_status=status,
        problems=problems,
        retryable=passes_later,
        job_id=job_id,
    )
