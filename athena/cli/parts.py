"""`athena api`, `athena worker` and `athena flower`: the parts alone, for deployments on several machines."""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from athena.ability.manifest import Ability, load_ability
from athena.cli.announcer import open_supervisor_log, say
from athena.cli.flower import OWN_OPTIONS, flower_command, flower_environment, is_installed, onlookers
from athena.cli.serve import child_environment, named_workers, plan_host, start_timeout_s
from athena.errors import ConfigError
from athena.runtime.service_manager import ServiceManager
from athena.settings import ADMIN_VARIABLES, Settings, from_env, without
from athena.store.address import redis_address_of, redis_url_of
from athena.store.checks import check_redis
from athena.supervisor.gpu_watch import read_inventory
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.host_workers import HostWorkers
from athena.supervisor.programs import GATEWAY
from athena.supervisor.pulse_writer import write_pulse
from athena.supervisor.supervisor import Stop, Supervisor


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands."""
    api = commands.add_parser("api", help="run a gateway alone")
    api.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    api.add_argument("--port", help="port to listen on (default 30889)")
    api.set_defaults(run=run_api)
    worker = commands.add_parser("worker", help="run the workers of one ability alone")
    worker.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    worker.set_defaults(run=run_worker)
    flower = commands.add_parser("flower", help="run Flower alone")
    flower.add_argument("--flower-port", metavar="PORT", help="port to listen on (default 5555)")
    flower.set_defaults(run=run_flower)
    for parser in (api, worker, flower):
        parser.add_argument("--redis", metavar="URL", help="default: ATHENA_REDIS_URL")


def run_api(options: argparse.Namespace) -> int:
    """Becomes a gateway."""
    settings_of(options.redis, host=options.host, port=options.port)
    os.execv(GATEWAY[0], GATEWAY)


def run_flower(options: argparse.Namespace) -> int:
    """Becomes Flower.

    Raises:
        ConfigError: there is none.
    """
    settings = settings_of(options.redis, flower_port=options.flower_port)
    if not settings.flower_port:
        raise ConfigError("ATHENA_FLOWER_PORT is 0, so there is no Flower; name a port with --flower-port")
    if not is_installed():
        raise ConfigError("Flower is not installed: pip install flower")
    command = flower_command(settings)
    if onlookers(settings):
        say(f"Flower on {settings.flower_host}:{settings.flower_port}{onlookers(settings)}")
    environment = without(os.environ, (*ADMIN_VARIABLES, *OWN_OPTIONS)) | flower_environment(settings)
    os.execve(command[0], command, environment)


def run_worker(options: argparse.Namespace) -> int:
    """Runs the workers of one ability (see `run_workers`)."""
    # Several of these may share a host, so the process id tells their workers apart.
    return run_workers(settings_of(options.redis), [load_ability(options.ability)], f".{os.getpid()}")


def run_workers(settings: Settings, abilities: Sequence[Ability], suffix: str = "") -> int:
    """Runs the workers that this host has room for until SIGTERM or Ctrl-C, and new ones when they die.

    Raises:
        AthenaError: none can be started, or none became ready.
    """
    open_supervisor_log(settings)
    address = redis_address_of(settings)
    check_redis(address)
    keeper = FleetKeeper(address, settings)
    inventory = read_inventory()
    with named_workers(keeper):
        suffix = keeper.claim_name(suffix)
        host = plan_host(abilities, inventory, keeper, settings, suffix)
        _supervise(host, keeper, settings, start_timeout_s(settings, abilities))
    say("stopped")
    return 0


def _supervise(host: HostWorkers, keeper: FleetKeeper, settings: Settings, timeout_s: float) -> None:
    service = ServiceManager()
    with Supervisor(say) as supervisor:
        supervisor.add_duty(service.on_tick)
        write_pulse(settings.pulse_file, supervisor)
        supervisor.add_duty(keeper.on_tick)
        try:
            host.follow(supervisor)
            supervisor.start(host.children, timeout_s)
            say(f"{sum(child.is_ready for child in host.children)} workers are ready")
            service.ready()
            supervisor.run()
        except Stop:
            say("stopping")
            service.stopping()
        finally:
            host.withdraw()


def settings_of(redis_url: str | None, **given: str | None) -> Settings:
    """Returns the settings of a part, which also become those of its child processes.

    Raises:
        ConfigError: one cannot be used.
    """
    settings = from_env(os.environ, redis_url=redis_url, **given)
    settings = dataclasses.replace(settings, redis_url=redis_url_of(settings))
    redis_address_of(settings)
    os.environ.update(child_environment(settings))
    return settings
