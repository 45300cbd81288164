"""Mixed requests at a fixed rate, as of independent callers, each with the answers that it may get."""

import asyncio
import random
import time
import uuid
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pybase64

from tests.soak.client import BrokenError, Client, Headers

#: No call may take longer.
PATIENCE_S = 80.0

#: More is not under way at once, and no request is sent that is so late; those are counted.
LATE_S = 1.0
MAX_UNDER_WAY = 1000
MAX_OCR_UNDER_WAY = 8

JSON: Headers = (("Content-Type", "application/json"),)
TEXT: Headers = (("Content-Type", "text/plain"),)
PICTURE: Headers = (("Content-Type", "image/jpeg"),)
ASYNC: Headers = (*JSON, ("Prefer", "respond-async"))
UPLOAD_BYTES = 100_000


@dataclass
class Tally:
    """What came of one kind of request.

    Attributes:
        statuses: answers by their status.
        seconds: how long each was under way, from when it was to be sent.
        worst: the longest of these, and when it was answered, on the monotonic clock.
        wrong: answers that this kind may not get, or with another content.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: "array[float]" = field(default_factory=lambda: array("f"))
    worst: tuple[float, float] = (0.0, 0.0)
    wrong: Counter[str] = field(default_factory=Counter)

    def note(self, status: int, seconds: float, now_s: float) -> None:
        """Counts an answer."""
        self.statuses[status] += 1
        self.seconds.append(seconds)
        self.worst = max(self.worst, (seconds, now_s))


class Load:
    """Requests of all kinds to `echo`, and pictures to `mmocr`, at rates of their own.

    Attributes:
        tallies: by kind.
        hung: calls that were not answered in time.
        broken: calls whose connection broke.
        not_sent: requests for which too many others were under way, or that came too late.
    """

    def __init__(self, url: str, rate: float, ocr_rate: float, picture: Path, draw: random.Random) -> None:
        self.tallies: dict[str, Tally] = {}
        self.hung = self.broken = self.not_sent = 0
        self._client = Client(url, PATIENCE_S)
        self._rates = (rate, ocr_rate)
        self._draw = draw
        self._picture = picture
        self._words: Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._kinds: list[tuple[float, str, Callable[[str, float], Awaitable[None]]]] = [
            (60, "echo", self._echo),
            (5, "echo with request_id", self._named),
            (10, "echo, async and polled", self._polled),
            (1, "echo, canceled", self._canceled),
            (3, "echo, file of 100 KB", self._uploaded),
            (2, "ten in one request", self._bulk),
            (12, "bad request", self._bad),
            (7, "question", self._question),
        ]

    async def run(self, seconds: float) -> None:
        """Sends for so long, and waits for the last answers."""
        rate, ocr_rate = self._rates
        senders = [self._send(rate, seconds, MAX_UNDER_WAY, self._any)]
        if ocr_rate > 0:
            senders.append(self._send(ocr_rate, seconds, MAX_OCR_UNDER_WAY, self._read_picture))
        await asyncio.gather(*senders)
        await asyncio.gather(*self._tasks)
        self._client.close()

    async def _send(
        self, rate: float, seconds: float, limit: int, make: Callable[[float], Awaitable[None]]
    ) -> None:
        """Makes requests at times that do not depend on the answers."""
        under_way: set[asyncio.Task[None]] = set()
        end_s = time.monotonic() + seconds
        due_s = time.monotonic()
        while (due_s := due_s + self._draw.expovariate(rate)) < end_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if len(under_way) >= limit or time.monotonic() > due_s + LATE_S:
                self.not_sent += 1
                continue
            task = asyncio.ensure_future(make(due_s))
            for kept in (under_way, self._tasks):
                kept.add(task)
                task.add_done_callback(kept.discard)

    async def _any(self, due_s: float) -> None:
        weights = [weight for weight, _, _ in self._kinds]
        ((_, kind, make),) = self._draw.choices(self._kinds, weights)
        await make(kind, due_s)

    async def _echo(self, kind: str, due_s: float) -> None:
        text = uuid.uuid4().hex
        answer = await self._ask(kind, due_s, "POST", "/echo", JSON, envelope(text))
        self._check_echo(kind, answer, text)

    async def _named(self, kind: str, due_s: float) -> None:
        text = uuid.uuid4().hex
        body = envelope(text, request_id=text)
        for _ in range(2):
            answer = await self._ask(kind, due_s, "POST", "/echo", JSON, body)
            self._check_echo(kind, answer, text)

    async def _polled(self, kind: str, due_s: float) -> None:
        text = uuid.uuid4().hex
        job_id = await self._queue(kind, due_s, text)
        for _ in range(20):
            answer = await self._ask(kind, time.monotonic(), "GET", f"/v1/jobs/{job_id}?wait=5")
            if answer and answer["job"]["state"] == "succeeded":
                self._check_echo(kind, answer, text)
                return
        self._tally(kind).wrong["a job that does not end"] += 1

    async def _canceled(self, kind: str, due_s: float) -> None:
        job_id = await self._queue(kind, due_s, "x")
        await self._ask(kind, time.monotonic(), "POST", f"/v1/jobs/{job_id}/cancel")

    async def _queue(self, kind: str, due_s: float, text: str) -> str:
        answer = await self._ask(kind, due_s, "POST", "/echo", ASYNC, envelope(text), expected=(202,))
        return str(answer["header"]["sid"]) if answer else "0" * 32

    async def _uploaded(self, kind: str, due_s: float) -> None:
        content = self._draw.randbytes(UPLOAD_BYTES // 2).hex()
        answer = await self._ask(kind, due_s, "POST", "/echo?app_id=soak", TEXT, content.encode())
        self._check_echo(kind, answer, content)

    async def _bulk(self, kind: str, due_s: float) -> None:
        items = [{"service_id": "echo", **orjson.loads(envelope(str(number)))} for number in range(10)]
        await self._ask(kind, due_s, "POST", "/v1/jobs", JSON, orjson.dumps(items))

    async def _bad(self, kind: str, due_s: float) -> None:
        path, body, status = self._draw.choice(BAD)
        await self._ask(kind, due_s, "POST", path, JSON, body, expected=(status,))

    async def _question(self, kind: str, due_s: float) -> None:
        await self._ask(kind, due_s, "GET", self._draw.choice(QUESTIONS), expected=(200,))

    async def _read_picture(self, due_s: float) -> None:
        if self._draw.random() < 0.1:
            await self._ask(
                "no picture", due_s, "POST", "/mmocr?app_id=soak", PICTURE, b"no picture", (400, 502)
            )
            return
        path = "/mmocr?app_id=soak&boxes.format=json"
        answer = await self._ask("picture", due_s, "POST", path, PICTURE, self._picture.read_bytes())
        self._words = self._words or (answer and answer["payload"])
        if answer and answer["payload"] != self._words:
            self._tally("picture").wrong["other words than before"] += 1

    async def _ask(
        self,
        kind: str,
        due_s: float,
        method: str,
        path: str,
        headers: Headers = (),
        body: bytes = b"",
        expected: tuple[int, ...] = (200,),
    ) -> Any:
        """Makes one request; returns the answer's document, None if there is none that was expected."""
        tally = self._tally(kind)
        try:
            answer = await self._client.ask(method, path, headers, body)
        except TimeoutError:
            self.hung += 1
            return None
        except BrokenError:
            self.broken += 1
            return None
        now_s = time.monotonic()
        tally.note(answer.status, now_s - due_s, now_s)
        if answer.status not in expected:
            tally.wrong[f"{answer.status} {answer.content[:200].decode(errors='replace')}"] += 1
            return None
        return orjson.loads(answer.content) if answer.content[:1] == b"{" else {}

    def _check_echo(self, kind: str, answer: Any, text: str) -> None:
        if answer and pybase64.b64decode(answer["payload"]["text"]["text"]).decode() != text:
            self._tally(kind).wrong["another text"] += 1

    def _tally(self, kind: str) -> Tally:
        return self.tallies.setdefault(kind, Tally())


def envelope(text: str, **header: str) -> bytes:
    """Returns a request to the ability `echo`."""
    encoded = pybase64.b64encode(text.encode()).decode()
    return orjson.dumps(
        {
            "header": {"app_id": "soak", "status": 3, **header},
            "parameter": {"echo": {}},
            "payload": {"text": {"encoding": "utf8", "status": 3, "text": encoded}},
        }
    )


#: Path, body, and the status that it is refused with.
BAD = (
    ("/echo", b"{", 400),
    ("/echo", b"[]", 400),
    ("/echo", envelope("x").replace(b'"status":3', b'"status":"three"'), 400),
    ("/echo", envelope("x").replace(b'"parameter":{"echo":{}}', b'"parameter":{"echo":{"unknown":1}}'), 400),
    ("/echo", envelope("x").replace(b'"text":"eA=="', b'"text":"?"'), 400),
    (
        "/echo",
        b'{"header":{"app_id":"soak","status":3},"parameter":{"echo":{}},"payload":{' + b'"a":{},' * 500,
        400,
    ),
    ("/nobody", envelope("x"), 404),
    (f"/v1/jobs/{'0' * 32}/cancel", b"", 404),
)

QUESTIONS = (
    "/readyz",
    "/metrics",
    "/v1/workers",
    "/v1/abilities",
    "/openapi.json",
    "/v1/jobs?app_id=soak&limit=20",
    "/v1/jobs?state=failed&limit=20",
)
