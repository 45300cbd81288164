"""Runs a gateway: `python -m api` (what `athena api` and `athena serve` start)."""

import logging
import math
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from redis.exceptions import RedisError

from api.access.exposure import exposures
from api.app import create_server
from api.fast_path.direct_protocol import make_protocol
from api.gateway.gateway import Gateway
from api.http.request_body import ByteBudget
from api.server import GatewayServer
from athena.access.keys_file import read_keys_file
from athena.errors import ConfigError
from athena.runtime.certificate import Certificate, load_certificate
from athena.runtime.listening import LISTEN_FD
from athena.runtime.open_files import allow_open_files, for_callers
from athena.runtime.process_name import name_process
from athena.runtime.service_manager import ServiceManager
from athena.settings import Settings, from_env
from athena.store.address import redis_address_of
from athena.store.checks import fault_at
from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_streams import open_log_streams
from athena.telemetry.logs import LogOptions, configure_logs

logger = logging.getLogger(__name__)


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    open_log_streams()
    try:
        settings = from_env(os.environ)
        if settings.needs_keys and settings.keys_file:
            read_keys_file(Path(settings.keys_file))
        certificate = load_certificate(settings.tls_cert_file, settings.tls_key_file)
        check_settings_of_redis(settings)
    except ConfigError as error:
        print(f"athena: {error}", file=sys.stderr)
        return 2
    name_process("athena gateway")
    options = LogOptions(settings.log_format, settings.log_dir, LogFields("gateway"))
    configure_logs(settings.log_level, options)
    # Whoever wants them gets them, also without the lines that are as grave.
    logging.getLogger("athena.access").setLevel(logging.INFO)
    files = allow_open_files()
    for exposure in exposures(settings, asks_for_keys=settings.needs_keys):
        logger.warning("%s", exposure)
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.root.level))
    make_server(settings, files, inherited_socket(os.environ), certificate).serve_forever()
    return 0


def check_settings_of_redis(settings: Settings) -> None:
    """Refuses a Redis that is not set as it must be; one that does not answer now may do so later.

    Raises:
        ConfigError: the message says what to do.
    """
    address = redis_address_of(settings)
    try:
        fault = fault_at(address)
    except (RedisError, OSError) as error:
        print(f"athena: Redis does not answer yet: {error}", file=sys.stderr)
        return
    if fault:
        raise ConfigError(f"{address.shown()}: {fault}")


def inherited_socket(environ: Mapping[str, str]) -> socket.socket | None:
    """Returns the listening socket that a supervisor passed on, if one did."""
    number = environ.get(LISTEN_FD)
    return socket.socket(fileno=int(number)) if number else None


def make_server(
    settings: Settings,
    files: int,
    inherited: socket.socket | None = None,
    certificate: Certificate | None = None,
) -> GatewayServer:
    """Returns the HTTP server, not started yet; it may have so many files and connections open."""
    gateway, budget = Gateway(settings), ByteBudget(settings.max_held_bytes)
    protocol = make_protocol(gateway, budget, min(settings.max_connections, for_callers(files)))
    config = uvicorn.Config(
        create_server(gateway, budget),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        # `ProxyView` does that, by what this gateway's operator has set.
        proxy_headers=False,
        # From the end of `DRAIN_S` on: 2 s more than callers wait.
        timeout_graceful_shutdown=math.ceil(settings.grace_s),
    )
    server = GatewayServer(config, gateway, ServiceManager(), inherited, certificate)

    def occupancy() -> tuple[int, int, int]:
        return len(server.server_state.connections), budget.held_bytes, budget.limit_bytes

    gateway.occupancy = occupancy
    return server


if __name__ == "__main__":
    sys.exit(main())
