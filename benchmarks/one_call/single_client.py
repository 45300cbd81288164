"""One client that calls `echo` over one connection, again and again."""

import socket
import time
import urllib.parse
from http.client import HTTPResponse

from benchmarks.noop import request_body
from benchmarks.openloop import http_request

TIMEOUT_S = 60.0


class Client:
    """Calls one after the other; a request leaves in one write, as most clients send it."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((address.hostname or "", address.port or 80), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = http_request(f"{url}/echo", request_body())

    def call(self, count: int, pause_s: float = 0.0) -> None:
        """Sends so many, with a pause before each if there is to be one.

        Raises:
            SystemExit: one was not answered as it should be.
        """
        for _ in range(count):
            if pause_s:
                time.sleep(pause_s)
            self._socket.sendall(self._request)
            with HTTPResponse(self._socket) as answer:
                answer.begin()
                said = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {said.decode(errors='replace')}")
