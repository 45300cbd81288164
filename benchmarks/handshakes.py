"""What a new connection costs a gateway: plain, with a whole handshake of TLS, with a resumed one."""

import ssl
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from benchmarks.harness import Served

COUNT = 300


class _Resuming(HTTPSConnection):
    """Begins with the session of another connection."""

    session: ssl.SSLSession | None = None

    def connect(self) -> None:
        HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, session=self.session)  # type: ignore[attr-defined]


def report_handshakes(plain: Served, secure: Served) -> str:
    """Returns a line with the gateway's processor time for a connection and one small request."""
    figures = {
        "plain": _cost_ms(plain, False),
        "TLS": _cost_ms(secure, False),
        "TLS resumed": _cost_ms(secure, True),
    }
    return f"a connection and GET /livez, {COUNT} times, gateway: " + ", ".join(
        f"{name} {cost_ms:.2f} ms" for name, cost_ms in figures.items()
    )


def _cost_ms(athena: Served, resumes: bool) -> float:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session = _ask(athena, context, None) if resumes else None
    before = athena.cpu_s()["gateway"]
    for _ in range(COUNT):
        _ask(athena, context, session)
    return (athena.cpu_s()["gateway"] - before) / COUNT * 1000


def _ask(athena: Served, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    """Asks over a connection of its own; returns the session that it leaves."""
    address = urlsplit(athena.url)
    assert address.hostname is not None
    connection: HTTPConnection = HTTPConnection(address.hostname, address.port, timeout=60)
    if address.scheme == "https":
        connection = _Resuming(address.hostname, address.port, timeout=60, context=context)
        connection.session = session
    connection.request("GET", "/livez")
    answer: HTTPResponse = connection.getresponse()
    answer.read()
    left = getattr(connection.sock, "session", None)
    if session is not None and not connection.sock.session_reused:  # type: ignore[union-attr]
        raise SystemExit("the gateway resumed no session")
    connection.close()
    return left
