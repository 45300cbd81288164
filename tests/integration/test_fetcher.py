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

from api.outbound.fetcher import MAX_PER_HOST, MAX_REDIRECTS, Fetcher, FetchPolicy
from athena.errors import ConfigError, FetchError
from athena.protocol.references import Reference
from athena.setting_values import HostPattern
from athena.settings import from_env

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

    fetcher = Fetcher(FetchPolicy(tuple(hosts), networks), timeout_s)
    data = asyncio.run(fetcher.fetch_all([Reference("a", "text", url)], LIMIT))
    return data["a"]


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


def test_a_request_has_one_deadline_for_all_its_inputs(port: int) -> None:
    url = f"http://localhost:{port}/slow"
    references = [Reference(key, "text", url) for key in ("a", "b", "c", "d", "e", "f")]
    networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
    fetcher = Fetcher(FetchPolicy((HostPattern("localhost", port),), networks), 1.5)

    with pytest.raises(FetchError) as error:
        asyncio.run(fetcher.fetch_all(references, LIMIT))

    assert error.value.problems[0].detail == "could not be fetched within 1.5 s"
    assert len(Files.asked) < len(references)


class Silent:
    """A host that takes connections and says nothing."""

    def __init__(self) -> None:
        self.connections = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()


def test_a_slow_host_holds_up_nobody_who_wants_another_one(port: int) -> None:
    """However many wait for it: for the redirect to it as well."""
    silent = Silent()

    async def scenario() -> bytes:
        server = await asyncio.start_server(silent.take, "127.0.0.1", 0)
        slow_port = server.sockets[0].getsockname()[1]
        hosts = (HostPattern("127.0.0.1", slow_port), HostPattern("localhost", port))
        networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
        fetcher = Fetcher(FetchPolicy(hosts, networks), 60)
        urls = [f"http://127.0.0.1:{slow_port}/", f"http://localhost:{port}/to/http://127.0.0.1:{slow_port}/"]
        waiting = [
            asyncio.ensure_future(fetcher.fetch_all([Reference("a", "text", url)], LIMIT))
            for url in urls * 100
        ]
        async with asyncio.timeout(30):
            while silent.connections < MAX_PER_HOST:
                await asyncio.sleep(0.01)
            found = await fetcher.fetch_all([Reference("a", "text", f"http://localhost:{port}/file")], LIMIT)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        server.close()
        await server.wait_closed()
        return found["a"]

    assert asyncio.run(scenario()) == b"data of /file"
    assert silent.connections == MAX_PER_HOST


def test_a_host_that_nobody_runs_is_an_error() -> None:
    assert "could not be fetched" in refusal("http://127.0.0.1:1/", [HostPattern("127.0.0.1", 1)])
    assert "could not be fetched" in refusal("http://nobody.invalid/", [HostPattern("*.invalid")])


POLICY = FetchPolicy(networks=(ipaddress.ip_network("10.0.0.0/24"),))


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
        ("192.88.99.1", False),
        ("240.0.0.1", False),
        # Special blocks of IPv6, and what was never given to anybody.
        ("::", False),
        ("100::1", False),
        ("100:0:0:1::1", False),
        ("2001:1::1", False),
        ("2001:2::1", False),
        ("2001:10::1", False),
        ("2001:20::1", False),
        ("2001:30::1", False),
        ("2001:db8::1", False),
        ("2620:4f:8000::1", False),
        ("3ffe::1", False),
        ("3fff::1", False),
        ("4000::1", False),
        ("5f00::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("fe80::1%1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
    ],
)
def test_addresses(address: str, allowed: bool) -> None:
    assert POLICY.allows(ipaddress.ip_address(address)) is allowed


def carriers(inner: str) -> dict[str, str]:
    """Returns addresses of IPv6 in which a way lies to an IPv4 address."""
    bits = int(ipaddress.IPv4Address(inner))
    high, low = f"{bits >> 16:x}", f"{bits & 0xFFFF:x}"
    client = f"{~bits >> 16 & 0xFFFF:x}:{~bits & 0xFFFF:x}"
    return {
        "compatible": f"::{inner}",
        "mapped": f"::ffff:{inner}",
        "translated": f"::ffff:0:{inner}",
        "NAT64": f"64:ff9b::{inner}",
        "local NAT64": f"64:ff9b:1::{inner}",
        "6to4": f"2002:{high}:{low}::1",
        "Teredo client": f"2001:0:808:808:0:ffff:{client}",
        "Teredo server": f"2001:0:{high}:{low}:0:ffff:f7f7:f7f7",
        "ISATAP": f"2606:2800:220:1:0:5efe:{inner}",
        "global ISATAP": f"2606:2800:220:1:200:5efe:{inner}",
    }


@pytest.mark.parametrize("form", carriers("8.8.8.8"))
def test_an_ipv4_address_inside_is_the_one_that_is_judged(form: str) -> None:
    for inner in ("8.8.8.8", "93.184.216.34", "10.0.0.5"):
        assert POLICY.allows(ipaddress.ip_address(carriers(inner)[form])), inner
    for inner in ("127.0.0.1", "169.254.169.254", "10.0.1.5", "192.168.0.1", "224.0.0.1", "255.255.255.255"):
        assert not POLICY.allows(ipaddress.ip_address(carriers(inner)[form])), inner


def test_networks_behind_other_local_translators_are_refused() -> None:
    """Where the IPv4 address lies in 64:ff9b:1::/48 is up to each translator."""
    for address in ("64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f00:0:100:808:808", "64:ff9b:1::7f00:0:1:0"):
        assert not POLICY.allows(ipaddress.ip_address(address))


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


def test_next_address_of_a_host_is_tried_when_nobody_listens_at_the_first(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, at: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", (address, at)) for address in ("::1", "127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr("api.outbound.fetcher.socket.getaddrinfo", both)

    assert fetch(f"http://localhost:{port}/file", [HostPattern("localhost", port)]) == b"data of /file"
