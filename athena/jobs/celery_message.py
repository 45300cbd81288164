"""Celery's side of the queue: names, URLs and the message, so that any Celery tool can read it."""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from athena.errors import AthenaError, NewerMessageError
from athena.jobs.message import JobMessage, check_version

#: Name of the one Celery task; the ability is its `shadow` name, which tools show.
TASK_NAME = "athena.run"

#: Tasks with longer ids are refused: they have no place on the progress board.
MAX_TASK_ID_BYTES = 64

# Names in brackets stand for what differs from job to job (see `_frame`).
_HEADERS: dict[str, Any] = {
    "lang": "py",
    "task": TASK_NAME,
    "id": "<id>",
    "athena": 1,
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "<id>",
    "parent_id": None,
    "argsrepr": "<argsrepr>",
    "kwargsrepr": "{}",
    "origin": "athena",
    # There is no result backend: a job's record is the one place of its state.
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}

#: Version of the frame around a job, in the header `athena`: how the message is found in a task's body.
FRAME_VERSION = 1

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def encode_message(message: JobMessage, queue: str) -> bytes:
    """Returns the job as a message of Celery's protocol 2, as kombu's Redis transport writes it.

    The body is plain UTF-8, not base64; kombu reads both. Headers come first, so that the take script finds
    the id without reading the body.
    """
    # JSON within JSON: kombu carries a body as a text, to be decoded by its content type.
    body = orjson.dumps(orjson.dumps([[message.encode()], {}, _EMBED]).decode())
    job_id = b'"%s"' % message.job_id.encode()
    argsrepr = orjson.dumps(describe_inputs(message))
    id_at, root_at, args_at, correlation_at, tag_at, body_at, end = _frame(message.service_id, queue)
    return b"".join(
        (
            *(id_at, job_id, root_at, job_id, args_at, argsrepr),
            *(correlation_at, job_id, tag_at, job_id, body_at, body, end),
        )
    )


@lru_cache(maxsize=1024)
def _frame(service_id: str, queue: str) -> tuple[bytes, ...]:
    """Returns what is the same in all messages of a queue, in pieces between what is not."""
    document = orjson.dumps(
        {
            "headers": {**_HEADERS, "shadow": service_id},
            "properties": {
                "correlation_id": "<id>",
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "utf-8",
                "delivery_tag": "<id>",
            },
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "body": "<body>",
        }
    )
    return tuple(re.split(rb'"<[a-z]+>"', document))


def argument_of(document: dict[str, Any]) -> Any:
    """Returns the single argument of a task that a gateway sent.

    Raises:
        NewerMessageError: it lies in a frame of a later version.
        ValueError, LookupError, TypeError: it is none of a gateway's.
    """
    frame = document["headers"]["athena"]
    if type(frame) is int and frame > FRAME_VERSION:
        raise NewerMessageError(
            f"queue message frame {frame} is not known here; this worker reads up to {FRAME_VERSION}"
        )
    return orjson.loads(document["body"])[0][0]


class Newer(NamedTuple):
    """A queue message that only a newer worker can read: whose it is, and why."""

    job_id: str
    reason: str


def find_newer(message: bytes) -> Newer | None:
    """Looks whether only a newer worker can read a queue message; None for any other.

    What nobody can read is no reason to leave it in its queue.
    """
    try:
        document = orjson.loads(message)
        job_id = str(document["headers"]["id"])
        if document["headers"].get("athena"):
            check_version(argument_of(document))
    except NewerMessageError as error:
        return Newer(job_id, error.message)
    except (AthenaError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return None


def with_new_id(message: bytes, job_id: str) -> bytes:
    """Returns a queue message under another id: that of the job which tries its job again."""
    document = orjson.loads(message)
    headers, properties = document["headers"], document["properties"]
    headers["id"] = headers["root_id"] = job_id
    properties["correlation_id"] = properties["delivery_tag"] = job_id
    # A task of another Celery client has no id in its body, which may be base64 as well.
    if headers.get("athena"):
        body = orjson.loads(document["body"])
        body[0][0]["id"] = job_id
        # The trace is that of the request which made the first job.
        body[0][0].pop("trace", None)
        document["body"] = orjson.dumps(body).decode()
    return orjson.dumps(document)


def describe_inputs(message: JobMessage) -> str:
    """Returns what Flower shows as a task's arguments: names and sizes, never the data."""
    inputs = ", ".join(f"{item.key}: {item.size} bytes" for item in message.inputs)
    return f"({message.service_id}: {inputs or 'no input'})"
