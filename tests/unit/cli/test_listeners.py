"""Who listens on a port: real sockets, and what they answer."""

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from athena.cli.observe import listeners
from athena.cli.observe.listeners import listener, ports
from athena.operations.checkup.host import FREE, OTHER, OURS, SILENT
from athena.settings import from_env
from tests.ports import free_port


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def talking(text: bytes) -> Iterator[int]:
    """Takes one connection and says something that is no HTTP; nothing for b""."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(text)

        thread = threading.Thread(target=talk)
        if text:
            thread.start()
        yield server.getsockname()[1]
        if text:
            thread.join()


def test_gateway_is_known_by_its_answer() -> None:
    with answering(b'{"live":true}') as port:
        assert listener("127.0.0.1", port, "/livez", b'{"live"') == OURS
        assert listener("0.0.0.0", port, "/livez", b'{"live"') == OURS
    with answering(b"<html>") as port:
        assert listener("127.0.0.1", port, "/livez", b'{"live"') == OTHER


def test_program_that_speaks_no_http_is_another_one() -> None:
    with talking(b"220 mail.example ESMTP\r\n") as port:
        assert listener("127.0.0.1", port, "/livez", b'{"live"') == OTHER
    with talking(b"220 mail.example ESMTP\r\n") as port:
        assert listener("127.0.0.1", port, "/livez", b'{"live"', tls=True) == OTHER


def test_who_takes_connections_and_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "ANSWER_TIMEOUT_S", 0.3)

    with talking(b"") as port:
        assert listener("127.0.0.1", port, "/livez", b'{"live"') == SILENT
        assert listener("127.0.0.1", port, "/livez", b'{"live"', tls=True) == SILENT


def test_nobody_listens_on_a_free_port() -> None:
    assert listener("127.0.0.1", free_port(), "/livez", b"") == FREE
    assert listener("no-such-host.invalid", 80, "/livez", b"") == FREE


def test_ports_are_those_of_the_settings() -> None:
    with answering(b"OK") as port:
        settings = from_env({"ATHENA_PORT": str(free_port()), "ATHENA_FLOWER_PORT": str(port)})
        assert [(item.variable, item.listener) for item in ports(settings)] == [
            ("ATHENA_PORT", FREE),
            ("ATHENA_FLOWER_PORT", OURS),
        ]
    without_flower = from_env({"ATHENA_PORT": str(free_port()), "ATHENA_FLOWER_PORT": "0"})
    assert [item.variable for item in ports(without_flower)] == ["ATHENA_PORT"]
