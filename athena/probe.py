"""`athena probe`: whether the processes of this container live, or serve, for container probes.

It asks no Redis and no other host: a probe that did would end all containers with what they wait for.
Probes come every few seconds, so it loads little (see `athena.__main__`).
"""

import argparse
import http.client
import os
import ssl
import time
from pathlib import Path
from typing import Any

from athena.fleet.pulse import read_pulse
from athena.settings import Settings, from_env

TIMEOUT_S = 4.0

DESCRIPTION = (
    "Ends with 0 if what runs in this container lives: what writes ATHENA_PULSE_FILE, where that is set, "
    "else the gateway at ATHENA_HOST and ATHENA_PORT. Ends with 1 if it does not."
)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    text = "say whether what runs in this container lives, or serves"
    add_options(commands.add_parser("probe", help=text, description=DESCRIPTION))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--ready", action="store_true", help="whether it serves: all its workers, or a gateway that is ready"
    )
    parser.set_defaults(run=probe)


def probe(options: argparse.Namespace) -> int:
    """Asks; returns the exit status."""
    settings = from_env(os.environ)
    if settings.pulse_file:
        trouble = _pulse_trouble(Path(settings.pulse_file), options.ready)
    else:
        trouble = _gateway_trouble(settings, "/readyz" if options.ready else "/livez")
    print(trouble or "ok")
    return 1 if trouble else 0


def _pulse_trouble(path: Path, must_serve: bool) -> str:
    pulse = read_pulse(path)
    now_s = time.monotonic()
    if not pulse.is_fresh(now_s):
        return f"the supervisor has told nothing for {now_s - pulse.at_s:.0f} s"
    if must_serve and pulse.waiting:
        return f"not ready: {', '.join(pulse.waiting)}"
    return ""


def _gateway_trouble(settings: Settings, path: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    options: dict[str, Any] = {"timeout": TIMEOUT_S}
    kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
    if settings.tls_cert_file:
        # Our own gateway, under an address that its certificate need not name.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        kind, options["context"] = http.client.HTTPSConnection, context
    connection = kind(host, settings.port, **options)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"no answer to GET {path} at {host}:{settings.port}: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"{status} to GET {path} at {host}:{settings.port}"
