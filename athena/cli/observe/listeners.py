"""Who listens on the ports of the settings: Athena itself, another program, nobody."""

import http.client
import ssl
from collections.abc import Iterator

from athena.operations.checkup.host import FREE, OTHER, OURS, SILENT, Port
from athena.settings import Settings

#: A process that is well answers its probe at once.
ANSWER_TIMEOUT_S = 3.0

#: What a probe's answer may have at most; who sends more is somebody else.
MAX_ANSWER_BYTES = 4096


def ports(settings: Settings) -> Iterator[Port]:
    """Yields the ports of the gateway and of Flower."""
    tls = bool(settings.tls_cert_file)
    yield Port(
        "ATHENA_PORT", settings.port, listener(settings.host, settings.port, "/livez", b'{"live"', tls)
    )
    if settings.flower_port:
        prefix = f"/{settings.flower_url_prefix}" if settings.flower_url_prefix else ""
        found = listener(settings.flower_host, settings.flower_port, f"{prefix}/healthcheck", b"OK")
        yield Port("ATHENA_FLOWER_PORT", settings.flower_port, found)


def listener(host: str, port: int, path: str, answer: bytes, tls: bool = False) -> str:
    """Returns who listens: `FREE`, `OURS`, `OTHER`, or `SILENT` for who takes connections and says nothing.

    Args:
        host: on which Athena listens; the loopback is asked where that is every address.
        port: of it.
        path: what is asked for.
        answer: how Athena's answer begins.
        tls: whether Athena speaks TLS there; its certificate need not be for this name.
    """
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    connection = http.client.HTTPConnection(asked, port, timeout=ANSWER_TIMEOUT_S)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(asked, port, timeout=ANSWER_TIMEOUT_S, context=context)
    try:
        connection.connect()
    except TimeoutError:
        return SILENT
    except ssl.SSLError:
        return OTHER
    except OSError:
        return FREE
    try:
        connection.request("GET", path)
        found = connection.getresponse().read(MAX_ANSWER_BYTES)
    except TimeoutError:
        return SILENT
    except (OSError, http.client.HTTPException):
        return OTHER
    finally:
        connection.close()
    return OURS if found.startswith(answer) else OTHER
