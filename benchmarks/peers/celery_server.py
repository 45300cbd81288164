"""Flask and Celery as most people join them: `apply_async().get()` in a view, Redis for messages and results.

gunicorn with gevent workers in front, so that a waiting view costs no thread (Gunicorn, Design), two of them:
five, which that page says for two cores, got a quarter as far. A Celery worker with the prefork pool and a
process for each core, its default; solo got half as far. From Celery's guide "Optimizing": a large prefetch
multiplier for short tasks, and a pool of broker connections for many green threads. JSON messages and
acknowledgement before the task, both the default: a killed worker loses what it had. Redis runs as that of
`athena serve`.
"""

import os
from typing import Any

from celery import Celery
from flask import Flask, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.exceptions import HTTPException

from benchmarks.peers.work import Work, answer, decode, work_type

REDIS = os.environ.get("BENCH_REDIS", "")
WORK = work_type()
TIMEOUT_S = 120

celery = Celery("bench", broker=f"redis+socket://{REDIS}", backend=f"redis+socket://{REDIS}")
celery.conf.update(
    broker_pool_limit=100,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


class Closed(Schema):
    """Unknown members are refused."""

    class Meta:
        """Options of marshmallow."""

        unknown = RAISE


class Header(Closed):
    """Who asks."""

    app_id = fields.String(required=True, validate=validate.Length(1, 50))
    status = fields.Integer(required=True, validate=validate.OneOf((3,)))
    uid = fields.String(allow_none=True, validate=validate.Length(max=50))
    net_type = fields.String(allow_none=True, validate=validate.OneOf(("wifi", "2G", "3G", "4G", "5G")))


class Output(Closed):
    """How an output is wanted."""

    encoding = fields.String(allow_none=True, validate=validate.Length(max=32))
    compress = fields.String(allow_none=True, validate=validate.OneOf(("raw", "gzip")))
    format = fields.String(allow_none=True, validate=validate.OneOf(("plain", "json", "xml")))


class Data(Closed):
    """An input, as base64."""

    encoding = fields.String(allow_none=True, validate=validate.Length(max=32))
    compress = fields.String(allow_none=True, validate=validate.OneOf(("raw", "gzip")))
    status = fields.Integer(allow_none=True, validate=validate.OneOf((0, 1, 2, 3)))
    text = fields.String(allow_none=True, validate=validate.Length(max=16_777_216))
    image = fields.String(allow_none=True, validate=validate.Length(max=16_777_216))


class Body(Closed):
    """The whole request."""

    header = fields.Nested(Header, required=True)
    parameter = fields.Dict(
        fields.String(), fields.Dict(fields.String(), fields.Nested(Output)), required=True
    )
    payload = fields.Dict(fields.String(), fields.Nested(Data), required=True)


SCHEMA = Body()
loaded: list[Work] = []


@celery.task(name="run")
def run(text: str) -> dict[str, Any]:
    """Does the work; the model is loaded with the first task."""
    if not loaded:
        loaded.append(WORK())
    return answer(WORK, loaded[0].run([decode(text)])[0])


front = Flask(__name__)


@front.post("/run")
def handle() -> Any:
    """Queues the work and waits for the answer, or only queues it."""
    body = SCHEMA.load(request.get_json())
    result = run.apply_async((body["payload"][WORK.source][WORK.kind],))
    if request.headers.get("Prefer") == "respond-async":
        return {"id": result.id}, 202
    return result.get(timeout=TIMEOUT_S)


@front.errorhandler(ValidationError)
def refuse(error: ValidationError) -> Any:
    """Says what is wrong with a request."""
    return {"errors": error.normalized_messages()}, 400


@front.errorhandler(HTTPException)
def fail(error: HTTPException) -> Any:
    """Answers other errors with JSON too."""
    return {"errors": error.description}, error.code
