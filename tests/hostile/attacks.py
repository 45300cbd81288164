"""The attacks. Each is sent over and over for a bounded time, to this machine alone."""

import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from athena.protocol.signature import signed_url

#: What one attack may hold open, and how long an exchange may take.
HELD = 600
EXCHANGE_TIMEOUT_S = 10.0
PIECE = b"x" * 65536

Attack = Callable[["Target"], None]


class Target:
    """The gateway under attack, and the connections that are held open to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._held: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Opens a connection."""
        return socket.create_connection(("127.0.0.1", self._port), EXCHANGE_TIMEOUT_S)

    def send(self, *parts: bytes) -> int:
        """Sends bytes over a connection of their own, and reads the answer to its end; returns its size."""
        with self.connect() as one:
            try:
                for part in parts:
                    one.sendall(part)
            except OSError:
                # It was refused before it was all sent, and the answer may still be there.
                pass
            return _read(one)

    def post(self, body: bytes, path: str = "/echo", kind: str = "application/json", head: str = "") -> int:
        """Sends a request."""
        lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n{head}"
        return self.send(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode(), body)

    def hold(self, start: bytes, limit: int = HELD) -> None:
        """Opens a connection, begins something and never ends it; beyond the limit the oldest goes."""
        one = self.connect()
        with contextlib.suppress(OSError):
            one.sendall(start)
        self._held.append(one)
        if len(self._held) > limit:
            self._held.pop(0).close()

    def knock(self, count: int) -> None:
        """Opens connections and goes away at once."""
        for _ in range(count):
            self.connect().close()

    def close(self) -> None:
        """Closes what is held."""
        for one in self._held:
            one.close()


def _read(one: socket.socket) -> int:
    total, deadline_s = 0, time.monotonic() + EXCHANGE_TIMEOUT_S
    try:
        while time.monotonic() < deadline_s and (part := one.recv(65536)):
            total += len(part)
    except OSError:
        # A reset, or silence: the end of this exchange, all the same.
        pass
    return total


def _envelope(**changes: Any) -> bytes:
    body: dict[str, Any] = {
        "header": {"app_id": "hostile", "status": 3},
        "parameter": {"echo": {}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }
    return json.dumps({**body, **changes}, separators=(",", ":")).encode()


def _wide(count: int) -> dict[str, int]:
    return {f"k{number}": number for number in range(count)}


BODY = _envelope()
HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ORDINARY = HEAD % len(BODY)
LONG_HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 32_000
WIDE_HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * 6000
FORM = "multipart/form-data; boundary=b"


@cache
def large() -> dict[str, bytes]:
    """Returns the large things that are sent; made once, by those who send them, as that takes seconds."""
    bulk_wide = {"service_id": "echo", "parameter": {"echo": [0] * 50_000}}
    field = b'--b\r\nContent-Disposition: form-data; name="k%d"\r\n\r\nx\r\n'
    return {
        "list": _envelope(parameter={"echo": [0] * 2_500_000}),
        "members": _envelope(header={"app_id": "hostile", **_wide(300_000)}),
        "parameters": _envelope(parameter={"echo": _wide(300_000)}),
        "inputs": _envelope(payload={f"k{number}": {"text": 1} for number in range(200_000)}),
        "deep": b'{"header":' + b"[" * 1_000_000,
        "bulk": json.dumps({"jobs": [{"service_id": "echo", "header": 1}] * 150_000}).encode(),
        "wide": json.dumps({"jobs": [bulk_wide] * 20}).encode(),
        "form": b"".join(field % number for number in range(60_000)) + b"--b--\r\n",
        # 20,000 requests at once over one connection.
        "pipeline": (ORDINARY + BODY) * 20_000,
        "begun": ((ORDINARY + BODY) * 20_000)[:2_000_000],
    }


ATTACKS: dict[str, Attack] = {
    "a list of 2.5 million items": lambda target: _done(target.post(large()["list"])),
    "300,000 members of the header": lambda target: _done(target.post(large()["members"])),
    "300,000 parameters": lambda target: _done(target.post(large()["parameters"])),
    "200,000 inputs": lambda target: _done(target.post(large()["inputs"])),
    "a million brackets": lambda target: _done(target.post(large()["deep"])),
    "150,000 jobs in one request": lambda target: _done(target.post(large()["bulk"], "/v1/jobs")),
    "20 jobs with 50,000 parameters each": lambda target: _done(target.post(large()["wide"], "/v1/jobs")),
    "60,000 form fields": lambda target: _done(target.post(large()["form"], kind=FORM)),
    "a header line of 60 MB": lambda target: _done(
        target.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ", *[PIECE] * 900)
    ),
    "a million header fields": lambda target: _done(
        target.send(b"GET / HTTP/1.1\r\nHost: x\r\n", *[b"X-Field: 1\r\n" * 5000] * 200)
    ),
    "a request line of 60 MB": lambda target: _done(target.send(b"GET /", *[PIECE] * 900)),
    "half heads": lambda target: target.hold(b"POST /echo HTTP/1.1\r\nHost: x\r\nX-Fi"),
    "half heads of 32 KB": lambda target: target.hold(LONG_HEAD),
    "half heads of 6,000 fields": lambda target: target.hold(WIDE_HEAD),
    "half bodies": lambda target: target.hold(ORDINARY + BODY[:10]),
    "silent connections": lambda target: target.hold(b""),
    "20,000 requests at once, no answer read": lambda target: target.hold(large()["begun"], 16),
    "connections, opened and closed": lambda target: target.knock(50),
    "wrong keys": lambda target: _done(
        target.post(BODY, head=f"Authorization: Bearer {secrets.token_urlsafe(32)}\r\n")
    ),
    "wrong signatures": lambda target: _done(
        target.post(
            BODY, signed_url("http://x/echo", "POST", "AK0", secrets.token_hex(9)).removeprefix("http://x")
        )
    ),
    "20,000 requests at once": lambda target: _done(target.send(large()["pipeline"])),
}

#: Of these nothing is large but their number.
FLOODS = frozenset(
    (
        "half heads",
        "half heads of 32 KB",
        "half heads of 6,000 fields",
        "half bodies",
        "silent connections",
        "connections, opened and closed",
        "wrong keys",
        "wrong signatures",
    )
)


def _done(size: int) -> None:
    """An answer's size is of no interest here."""
