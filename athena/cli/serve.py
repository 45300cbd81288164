"""`athena serve`: everything on one machine, with one command."""

import argparse
import dataclasses
import fcntl
import http.client
import json
import os
import shlex
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import redis
from redis.exceptions import RedisError

from athena.ability.manifest import Ability
from athena.cli.announcer import open_supervisor_log, say, show, with_log_folder
from athena.cli.flower import add_flower, onlookers
from athena.cli.folders import add_folders, load_distinct
from athena.devices.host import host_name
from athena.devices.inventory import Inventory
from athena.errors import ConfigError
from athena.protocol.paths import run_path
from athena.runtime.certificate import load_certificate
from athena.runtime.listening import LISTEN_FD, connect_host, listen
from athena.runtime.process_name import name_process
from athena.runtime.service_manager import ServiceManager
from athena.settings import Settings, from_env
from athena.store.address import bracketed, redis_address_of, redis_url_of, socket_path
from athena.store.checks import check_redis
from athena.supervisor.allocator import server_environment
from athena.supervisor.child import Child
from athena.supervisor.data_folder import UMASK
from athena.supervisor.embedded_redis import (
    LOCK_NAME,
    LOG_NAME,
    memory_limit,
    prepare_folders,
    server_command,
)
from athena.supervisor.gpu_watch import read_inventory
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.host_workers import HostWorkers
from athena.supervisor.programs import GATEWAY
from athena.supervisor.pulse_writer import write_pulse
from athena.supervisor.redis_server import RedisServer, find_server, note_server
from athena.supervisor.supervisor import Stop, Supervisor

START_TIMEOUT_S = 30.0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser("serve", help="serve abilities on this machine, all parts included")
    add_folders(parser)
    parser.add_argument("--host", help="address of the gateway (default 127.0.0.1)")
    parser.add_argument("--port", help="port of the gateway (default 30889)")
    parser.add_argument("--redis", metavar="URL", help="use this Redis instead of an own one")
    parser.add_argument("--data", metavar="DIR", help="data folder (default ./.athena)")
    parser.add_argument("--flower-port", metavar="PORT", help="port of Flower (default 5555)")
    text = "replace an ability's workers when its files are edited, if they can be loaded; for development"
    parser.add_argument("--reload", action="store_true", help=text)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM.

    Raises:
        AthenaError: something is missing or did not start; nothing is left running.
    """
    settings = from_env(
        os.environ,
        host=options.host,
        port=options.port,
        redis_url=options.redis,
        data_dir=options.data,
        flower_port=options.flower_port,
    )
    abilities = load_distinct(options.ability)
    # Before anything starts: the gateway itself would say it last, when all workers have loaded.
    load_certificate(settings.tls_cert_file, settings.tls_key_file)
    check_port(settings.host, settings.port, "--port")
    if settings.flower_port:
        check_port(settings.flower_host, settings.flower_port, "--flower-port")
    if settings.redis_url:
        check_redis(redis_address_of(settings))
        return _serve(settings, abilities, None, options.reload)
    prepare_folders(settings.data_dir)
    with _locked(settings.data_dir):
        server = find_server(settings.data_dir)
        return _serve(with_log_folder(settings), abilities, server, options.reload)


def _serve(
    settings: Settings, abilities: Sequence[Ability], server: RedisServer | None, reloads: bool
) -> int:
    name_process("athena serve")
    open_supervisor_log(settings)
    began_s = time.monotonic()
    resolved = dataclasses.replace(settings, redis_url=redis_url_of(settings))
    os.environ.update(child_environment(resolved))
    keeper = FleetKeeper(redis_address_of(resolved), resolved)
    inventory = read_inventory()
    service = ServiceManager()
    with named_workers(keeper), Supervisor(say) as supervisor:
        host = None
        supervisor.add_duty(service.on_tick)
        write_pulse(resolved.pulse_file, supervisor)
        try:
            if server is not None:
                say(f"starting {server}, data in {settings.data_dir}")
                # Noted before it starts: what it writes first an older one may not be able to read.
                note_server(settings.data_dir, server)
                supervisor.start([RedisChild(server, settings)], START_TIMEOUT_S)
            # Nobody can have been at a Redis of ours before us.
            suffix = keeper.claim_name(by_force=server is not None)
            host = plan_host(abilities, inventory, keeper, settings, suffix)
            supervisor.add_duty(keeper.on_tick)
            host.follow(supervisor)
            names = ", ".join(sorted({worker.ability.service_id for worker in host.children}))
            say(f"loading {names}; starting the gateway")
            # What is started last ends first: callers get their answers while the workers are still there.
            # The watch is ready before they are, so that no edit is missed.
            watches = [host.edit_watch()] if reloads else []
            started = [*host.children, GatewayChild(resolved), *watches]
            supervisor.start(started, start_timeout_s(settings, abilities))
            ready = {worker.ability.service_id for worker in host.children if worker.is_ready}
            served = [ability for ability in abilities if ability.service_id in ready]
            _announce(resolved, served, time.monotonic() - began_s)
            service.ready()
            # Flower asks workers for their queues once, when it starts; so it starts after them.
            add_flower(supervisor, resolved)
            supervisor.run()
        except Stop:
            say("stopping")
            service.stopping()
        finally:
            if host is not None:
                host.withdraw()
    say("stopped")
    return 0


def start_timeout_s(settings: Settings, abilities: Iterable[Ability]) -> float:
    """Returns how long workers of abilities may take to start, pip included where they need it."""
    installs = any(ability.worker.requirements for ability in abilities)
    return settings.load_timeout_s + START_TIMEOUT_S + (settings.install_timeout_s if installs else 0)


@contextmanager
def named_workers(keeper: FleetKeeper) -> Iterator[None]:
    """Lets others have the names of our workers when these have ended."""
    try:
        yield
    finally:
        keeper.release_name()


def plan_host(
    abilities: Sequence[Ability], inventory: Inventory, keeper: FleetKeeper, settings: Settings, suffix: str
) -> HostWorkers:
    """Returns the workers that this host starts, and says which it does not.

    Raises:
        ConfigError: there are none.
    """
    if suffix:
        say(f"the names of this host's workers end with {suffix}@{host_name()}")
    host = HostWorkers(abilities, inventory, keeper, settings, say, suffix)
    refusals = [f"{refusal.service_id} gets no worker: {refusal.reason}" for refusal in host.plan.refusals]
    if not host.children:
        raise ConfigError("; ".join(refusals))
    for line in (*refusals, *host.plan.notes):
        say(line)
    return host


class RedisChild(Child):
    """The embedded Redis."""

    # Without it requests are refused, and a rolling restart must fail none.
    is_restartable = False
    umask = UMASK

    def __init__(self, server: RedisServer, settings: Settings) -> None:
        super().__init__("redis", grace_s=20)
        self._command = server_command(server, settings.data_dir, memory_limit(settings))
        self._environment = server_environment(server, os.environ, say)
        self._socket_path = socket_path(settings.data_dir)
        self.log = str(settings.data_dir / LOG_NAME)

    def command(self) -> Sequence[str]:
        """Returns the server's command line."""
        return self._command

    def environment(self) -> Mapping[str, str]:
        """Returns what lets it use its allocator."""
        return self._environment

    def check_ready(self) -> bool:
        """Whether it answers a ping; it does not while it reads its append-only file."""
        try:
            with redis.Redis(unix_socket_path=str(self._socket_path), socket_timeout=1) as client:
                return bool(client.ping())
        except (RedisError, OSError):
            return False


class GatewayChild(Child):
    """The gateway; its socket is ours, so that no connection is refused while one follows another."""

    # The gateway alone gets the operators' token.
    hidden_variables = ()

    def __init__(self, settings: Settings) -> None:
        super().__init__("gateway", grace_s=settings.grace_s + 5)
        self._address = (connect_host(settings.host), settings.port)
        self._is_secure = bool(settings.tls_cert_file)
        self._listening = listen(settings.host, settings.port)

    def environment(self) -> Mapping[str, str]:
        """Returns which file descriptor is the socket."""
        return {LISTEN_FD: str(self._listening.fileno())}

    def inherited_fds(self) -> Sequence[int]:
        """Returns the socket."""
        return (self._listening.fileno(),)

    def command(self) -> Sequence[str]:
        """Returns the gateway's command line."""
        return GATEWAY

    def check_ready(self) -> bool:
        """Whether it can serve."""
        return self.process is not None and _answers(self._address, "/readyz", self._is_secure)


def check_port(host: str, port: int, option: str) -> None:
    """Refuses a port that cannot be listened on.

    Raises:
        ConfigError: it is in use, or the address is not ours.
    """
    try:
        listen(host, port).close()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port with {option}"
        ) from None


def child_environment(settings: Settings) -> dict[str, str]:
    """Returns the variables by which child processes get the settings of this one."""
    return {
        "ATHENA_REDIS_URL": settings.redis_url,
        "ATHENA_DATA_DIR": str(settings.data_dir),
        "ATHENA_LOG_DIR": settings.log_dir,
        "ATHENA_HOST": settings.host,
        "ATHENA_PORT": str(settings.port),
        "ATHENA_FLOWER_PORT": str(settings.flower_port),
        "ATHENA_FLOWER_HOST": settings.flower_host,
        "ATHENA_FLOWER_URL_PREFIX": settings.flower_url_prefix,
    }


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    with _open_lock(data_dir / LOCK_NAME) as file:
        try:
            # The file stays: if it were removed, two might hold locks on two files of its name.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another athena serve uses {data_dir}; stop it or choose another folder with --data"
            ) from None
        yield


def _open_lock(path: Path) -> TextIO:
    try:
        return path.open("w")
    except OSError as error:
        raise ConfigError(f"cannot use {path}: {error.strerror}; choose another folder with --data") from None


def _answers(address: tuple[str, int], path: str, is_secure: bool) -> bool:
    connection = http.client.HTTPConnection(*address, timeout=2)
    if is_secure:
        # Our own child behind our own socket, under an address that its certificate need not name.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*address, timeout=2, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(settings: Settings, abilities: Sequence[Ability], took_s: float) -> None:
    base = _url(settings.host, settings.port, bool(settings.tls_cert_file))
    say(f"ready after {took_s:.1f} s")
    show(settings, f"  {'page':<10} {base}/ (in a browser)")
    for ability in abilities:
        show(settings, f"  {ability.service_id:<10} {base}{run_path(ability.service_id)}")
    if settings.flower_port:
        prefix = f"/{settings.flower_url_prefix}" if settings.flower_url_prefix else ""
        show(
            settings,
            f"  flower     {_url(settings.flower_host, settings.flower_port)}{prefix}{onlookers(settings)}",
        )
    shown_url = shlex.quote(redis_address_of(settings).shown())
    show(settings, f"  celery     ATHENA_REDIS_URL={shown_url} celery -A workers.celery_app …")
    example = next((ability for ability in abilities if ability.example_path.exists()), None)
    if example is not None:
        maker = f"athena keys create {_app_id(example)}"
        key = f"  KEY=…   # {maker} prints one\n" if settings.needs_keys else ""
        show(settings, f"\nTry it:\n\n{key}  {curl_command(base, example, settings.needs_keys)}\n")


def _url(host: str, port: int, is_secure: bool = False) -> str:
    """Returns where a server that listens on an address is reached from here."""
    return f"{'https' if is_secure else 'http'}://{bracketed(connect_host(host))}:{port}"


def _app_id(ability: Ability) -> str:
    """Returns whom an ability's example names."""
    try:
        return str(json.loads(ability.example_path.read_bytes())["header"]["app_id"])
    except (OSError, ValueError, LookupError, TypeError):
        # Whoever serves it hears of that elsewhere.
        return "APP"


def curl_command(base: str, ability: Ability, needs_key: bool = False) -> str:
    """Returns a command line that sends an ability its example."""
    path = ability.example_path
    with_cwd = os.path.relpath(path)
    shown = with_cwd if not with_cwd.startswith("..") else str(path)
    # The certificate names the gateway as others reach it.
    trust = " --insecure" if base.startswith("https:") else ""
    key = ' -H "Authorization: Bearer $KEY"' if needs_key else ""
    return (
        f"curl -s{trust}{key} {base}{run_path(ability.service_id)} -H 'Content-Type: application/json' "
        f"-d @{shlex.quote(shown)}"
    )
