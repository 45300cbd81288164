"""Celery's side of the queue: names, URLs and the message, so that any Celery tool can read it."""

import re
from typing import Any
from urllib.parse import urlsplit

import orjson

from athena.errors import ConfigError
from athena.messages import JobMessage

#: Name of the one Celery task; the ability is its `shadow` name, which tools show.
TASK_NAME = "athena.run"

ANY = "any"

_HEADERS: dict[str, Any] = {
    "lang": "py",
    "task": TASK_NAME,
    "id": "",
    "athena": 1,
    "shadow": None,
    "eta": None,
    "expires": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "",
    "parent_id": None,
    "argsrepr": "",
    "kwargsrepr": "{}",
    "origin": "athena",
    "ignore_result": True,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}

_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def queue_name(service_id: str, gpu_type: str) -> str:
    """Returns the name of an ability's queue for one GPU type, or for `any`."""
    return f"{service_id}.{gpu_type}"


def worker_queues(service_id: str, gpu_type: str) -> list[str]:
    """Returns the queues that a worker takes from, in that order."""
    return [queue_name(service_id, gpu_type), queue_name(service_id, ANY)]


def encode_message(message: JobMessage, queue: str) -> bytes:
    """Returns the job as a message of Celery's protocol 2, as kombu's Redis transport writes it.

    The body is plain UTF-8, not base64; kombu reads both. Headers come first, so that the take script finds
    the id without reading the body.
    """
    job_id = message.job_id
    body = orjson.dumps([[message.encode()], {}, _EMBED])
    headers = dict(_HEADERS)
    headers["id"] = headers["root_id"] = job_id
    headers["shadow"] = message.service_id
    headers["argsrepr"] = describe_inputs(message)
    return orjson.dumps(
        {
            "headers": headers,
            "properties": {
                "correlation_id": job_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "utf-8",
                "delivery_tag": job_id,
            },
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "body": body.decode(),
        }
    )


def with_new_id(message: bytes, job_id: str) -> bytes:
    """Returns a queue message under another id: that of the job which tries its job again."""
    document = orjson.loads(message)
    headers, properties = document["headers"], document["properties"]
    headers["id"] = headers["root_id"] = job_id
    properties["correlation_id"] = properties["delivery_tag"] = job_id
    if headers.get("athena"):
        body = orjson.loads(document["body"])
        body[0][0]["id"] = job_id
        document["body"] = orjson.dumps(body).decode()
    return orjson.dumps(document)


def describe_inputs(message: JobMessage) -> str:
    """Returns what Flower shows as a task's arguments: names and sizes, never the data."""
    inputs = ", ".join(f"{item.key}: {item.size} bytes" for item in message.inputs)
    return f"({message.service_id}: {inputs or 'no input'})"


def celery_url(redis_url: str) -> str:
    """Returns a redis-py URL as kombu spells it: `unix://` becomes `redis+socket://`."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        return f"redis+socket://{path}{query and '?virtual_host='}{query.removeprefix('db=')}"
    return redis_url


def check_redis_url(redis_url: str) -> str:
    """Returns the URL if it is of a kind that Athena can use.

    Raises:
        ConfigError: it is not.
    """
    parts = urlsplit(redis_url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ConfigError(
            "the URL of Redis (--redis, ATHENA_REDIS_URL) must start with redis://, rediss:// or unix://"
        )
    if parts.query and not (parts.scheme == "unix" and re.fullmatch(r"db=\d+", parts.query)):
        raise ConfigError(
            "the URL of Redis (--redis, ATHENA_REDIS_URL) may not have a query: write "
            "redis://:password@host/database, unix:///path or unix:///path?db=1"
        )
    return redis_url
