"""Requests as bytes, and a gateway that needs no Redis to answer them."""

import asyncio
import json
from typing import Any

from api.gateway.gateway import Gateway
from api.gateway.submissions import OnVerdict
from athena.errors import QueueFullError
from athena.fleet.routing import Route
from athena.protocol.checks.schema import build_envelope_schema
from athena.protocol.enums import JobState
from athena.protocol.interface import DataSpec, Interface, Limits
from athena.settings import from_env
from athena.store.submission import Reply, Submission
from athena.store.verdicts import ACCEPTED, Verdict

REQUEST = {
    "header": {"app_id": "demo", "status": 3},
    "parameter": {"echo": {}},
    "payload": {"text": {"text": "aGk="}},
}
DONE = Reply("", JobState.SUCCEEDED, 0, "", "cpu", b'{"text":{}}')
FAILED = Reply("", JobState.FAILED, 10909, "ValueError", "cpu", b"")


class Knowing(Gateway):
    """A gateway without Redis that knows one ability."""

    def __init__(self, wait_s: float = 60, **environment: str) -> None:
        super().__init__(from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0", **environment}))
        limits = Limits(wait_s=wait_s, max_body_bytes=20_000)
        interface = Interface("echo", "v1", "", (), (DataSpec("text", 0),), (), ("cpu",), True, limits)
        self.watch._first_look.set()
        self.watch.schemas["echo"] = (interface, build_envelope_schema(interface))
        self.submitted: list[Submission] = []
        self.left: list[str] = []
        self.forgotten: list[str] = []
        self.rechecked: list[str] = []
        self.is_full = False
        self.verdict: Verdict = ACCEPTED
        #: Tells the verdict on the job that was submitted last.
        self.tell: OnVerdict = lambda verdict: None
        self.ends_at_once = False
        self.tells_verdicts = True

    def route(self, interface: Interface, hints: Any) -> Route:
        return Route(f"{interface.service_id}.any")

    def send(self, job: Submission, on_verdict: OnVerdict) -> None:
        self.submitted.append(job)
        self.tell = on_verdict
        if self.is_full:
            on_verdict(QueueFullError("full", retry_after_s=7))
        elif self.tells_verdicts:
            on_verdict(self.verdict)
        if self.ends_at_once:
            self.end()

    async def recheck(self, job_id: str) -> None:
        self.rechecked.append(job_id)

    async def leave(self, job_id: str, future: asyncio.Future[Any]) -> None:
        self._waiters.remove(job_id, future)
        self.left.append(job_id)

    def forget_answered(self, job_id: str) -> None:
        self.forgotten.append(job_id)

    def end(self, reply: Reply = DONE) -> str:
        """Ends the job that was submitted last; returns its id."""
        job_id = self.submitted[-1].job_id
        self._waiters.resolve(reply._replace(job_id=job_id))
        return job_id


def post(
    document: Any = REQUEST, path: str = "/echo", version: str = "1.1", host: str = "x", **headers: str
) -> bytes:
    """Returns a request as it is sent; `_` in a header's name stands for `-`, and None leaves it out."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    fields = {"content_type": "application/json", "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"POST {path} HTTP/{version}", f"host: {host}", *lines, "", ""]).encode() + body


def get(path: str = "/livez", **headers: str) -> bytes:
    """Returns a request without a body."""
    fields = {"host": "x", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()
