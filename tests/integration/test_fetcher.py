"""Fetching inputs, from a real HTTP server on the loopback."""

import asyncio
import contextlib
import ipaddress
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from api.fetcher import MAX_REDIRECTS, Fetcher, FetchPolicy
from athena.errors import ConfigError, FetchError
from athena.settings import HostPattern, from_env

LIMIT = 1000


class Files(BaseHTTPRequestHandler):
    """A file server with an enemy's habits."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        port = cast(Any, self.server.server_address)[1]
        if self.path.startswith("/to/"):
            self._answer(302, Location=self.path.removeprefix("/to/").replace("PORT", str(port)))
        elif self.path == "/loop":
            self._answer(302, Location="/loop")
        elif self.path == "/slow":
            time.sleep(0.6)
            self._answer(200, b"late")
        elif self.path == "/large":
            self._answer(200, b"x" * (LIMIT + 1))
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                for _ in range(10_000):
                    self.wfile.write(b"x" * 100)
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x")
            self.close_connection = True
        elif self.path.startswith("/file"):
            self._answer(200, b"data of " + self.path.encode())
        else:
            self._answer(404)

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    Files.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def fetch(url: str, hosts: list[HostPattern], private: bool = True, timeout_s: float = 10) -> bytes:
    networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1")) if private else ()

    async def run() -> bytes:
        return await Fetcher(FetchPolicy(tuple(hosts), networks), timeout_s).fetch(
            url, LIMIT, "/payload/a/url"
        )

    return asyncio.run(run())


def refusal(url: str, hosts: list[HostPattern], private: bool = True, timeout_s: float = 10) -> str:
    with pytest.raises(FetchError) as error:
        fetch(url, hosts, private, timeout_s)
    (problem,) = error.value.problems
    assert problem.pointer == "/payload/a/url"
    return problem.detail


def test_a_file_of_an_allowed_host_is_fetched(port: int) -> None:
    hosts = [HostPattern("localhost", port)]

    assert fetch(f"http://localhost:{port}/file/a?b=c", hosts) == b"data of /file/a?b=c"


def test_a_redirect_within_the_list_is_followed(port: int) -> None:
    hosts = [HostPattern("localhost", port), HostPattern("127.0.0.1", port)]

    assert fetch(f"http://localhost:{port}/to/http://127.0.0.1:PORT/file", hosts) == b"data of /file"
    assert fetch(f"http://localhost:{port}/to//file", hosts) == b"data of /file"


def test_private_addresses_are_refused_after_resolution(port: int) -> None:
    """The name is on the list; where it leads to is what counts."""
    hosts = [HostPattern("localhost", port), HostPattern("2130706433", port)]

    assert "not allowed" in refusal(f"http://localhost:{port}/file", hosts, private=False)
    assert "not allowed" in refusal(f"http://2130706433:{port}/file", hosts, private=False)
    assert Files.asked == []


def test_a_redirect_off_the_list_is_refused(port: int) -> None:
    hosts = [HostPattern("localhost", port)]

    for target in (
        "http://127.0.0.1:PORT/file",
        "http://localhost:1/file",
        "file:///etc/passwd",
        "//[::1]:PORT/file",
        "http://localhost:PORT@127.0.0.1:PORT/file",
    ):
        assert refusal(f"http://localhost:{port}/to/{target}", hosts)
    assert all(path.startswith("/to/") for path in Files.asked)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("http://other:{}/file", "not on the list"),
        ("http://localhost/file", "not on the list"),
        ("http://localhost.evil.example:{}/", "not on the list"),
        ("ftp://localhost:{}/file", "must be an http or https URL"),
        ("http:///file", "must be an http or https URL"),
        ("localhost", "must be an http or https URL"),
        ("http://me:secret@localhost:{}/file", "user name"),
        ("http://localhost:99999/file", "ort"),
        ("http://localhost:{}/a b", "%XX"),
        ("http://localhost:{}/a\r\nX: y", "%XX"),
        ("http://localhost:{}/none", "status 404"),
        ("http://localhost:{}/large", "more than 1000 bytes"),
        ("http://localhost:{}/endless", "more than 1000 bytes"),
        ("http://localhost:{}/short", "could not be fetched"),
        ("http://localhost:{}/loop", f"more than {MAX_REDIRECTS} redirects"),
        ("http://[::ffff:10.0.0.1]/file", "not on the list"),
    ],
)
def test_what_cannot_be_had_is_refused(port: int, url: str, detail: str) -> None:
    # urlsplit drops line ends, so that one is asked for as /aX:%20y.
    shown = refusal(url.format(port), [HostPattern("localhost", port)])

    assert detail in shown


def test_a_slow_host_is_left(port: int) -> None:
    assert "within 0.2 s" in refusal(
        f"http://localhost:{port}/slow", [HostPattern("localhost", port)], timeout_s=0.2
    )


def test_a_host_that_nobody_runs_is_an_error() -> None:
    assert "could not be fetched" in refusal("http://127.0.0.1:1/", [HostPattern("127.0.0.1", 1)])
    assert "could not be fetched" in refusal("http://nobody.invalid/", [HostPattern("*.invalid")])


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.0.0.5", True),
        ("::ffff:10.0.0.5", True),
        ("10.0.1.5", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses(address: str, allowed: bool) -> None:
    policy = FetchPolicy(networks=(ipaddress.ip_network("10.0.0.0/24"),))

    assert policy.allows(ipaddress.ip_address(address)) is allowed


def test_patterns_of_the_setting() -> None:
    settings = from_env({"ATHENA_FETCH_HOSTS": "Files.example.com, *.example.org:8443,[::1]:9000"})
    plain, wild, literal = settings.fetch_hosts

    assert plain.allows("files.example.com", 443, 443)
    assert plain.allows("FILES.example.com.", 80, 80)
    assert not plain.allows("files.example.com", 8080, 80)
    assert not plain.allows("a.files.example.com", 443, 443)
    assert wild.allows("a.example.org", 8443, 443)
    assert not wild.allows("example.org", 8443, 443)
    assert not wild.allows("badexample.org", 8443, 443)
    assert literal.allows("::1", 9000, 80)


@pytest.mark.parametrize("value", ["http://a", "a/b", "*", "a:x", "a b"])
def test_a_setting_that_is_no_host_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="ATHENA_FETCH_HOSTS"):
        from_env({"ATHENA_FETCH_HOSTS": value})
