"""Which tasks this worker does not do; pure."""

from typing import Any

from athena.errors import RequestError
from athena.jobs.celery_message import MAX_TASK_ID_BYTES, TASK_NAME
from athena.plain_text import plain_line

JSON = "application/json"


def check_headers(headers: dict[str, Any]) -> None:
    """Refuses what Celery would take in and this worker does not do.

    Raises:
        RequestError: the message says what it is.
    """
    if len(headers["id"].encode()) > MAX_TASK_ID_BYTES:
        raise RequestError(f"the task's id is longer than {MAX_TASK_ID_BYTES} bytes")
    if headers["task"] != TASK_NAME:
        raise RequestError(f"there is no task {headers['task']!r} here, only {TASK_NAME!r}")
    if headers.get("eta"):
        raise RequestError("eta and countdown are not supported; send the task when it is due")


def check_foreign(document: dict[str, Any], job_id: str) -> None:
    """Refuses a message of another Celery client that cannot be read here, before anybody logs what is in it.

    Raises:
        RequestError: the message says what it is.
    """
    # The take script reads the id as it is written; the job's record bears that name.
    if document["headers"]["id"] != job_id:
        raise RequestError("the task's id holds characters that JSON escapes; choose plain ones")
    content_type = document.get("content-type")
    if content_type != JSON:
        raise RequestError(
            f"the task is written as {plain_line(str(content_type), 80)}, and only {JSON} is read here; "
            "set Celery's task_serializer to 'json'"
        )
