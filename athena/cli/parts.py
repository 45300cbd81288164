"""`athena api`, `athena worker` and `athena flower`: the parts alone, for deployments on several machines."""

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from athena.ability import load_ability
from athena.cli.flower import flower_command
from athena.cli.serve import child_environment, say
from athena.embedded import redis_address_of, redis_url_of
from athena.fleet_keeper import FleetKeeper
from athena.logs import configure_logs
from athena.redis_checks import check_redis
from athena.settings import Settings, from_env
from athena.supervisor import Stop, Supervisor
from athena.worker_child import WorkerChild


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands."""
    api = commands.add_parser("api", help="run a gateway alone")
    api.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    api.add_argument("--port", help="port to listen on (default 30889)")
    api.set_defaults(run=run_api)
    worker = commands.add_parser("worker", help="run a worker of one ability alone")
    worker.add_argument("ability", metavar="DIR", type=Path, help="folder with a wrapper.py")
    worker.set_defaults(run=run_worker)
    flower = commands.add_parser("flower", help="run Flower alone")
    flower.add_argument("--flower-port", help="port to listen on (default 5555)")
    flower.set_defaults(run=run_flower)
    for parser in (api, worker, flower):
        parser.add_argument("--redis", metavar="URL", help="default: ATHENA_REDIS_URL")


def run_api(options: argparse.Namespace) -> int:
    """Becomes a gateway."""
    _settings(options, host=options.host, port=options.port)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "api"])


def run_flower(options: argparse.Namespace) -> int:
    """Becomes Flower."""
    settings = _settings(options, flower_port=options.flower_port)
    command = flower_command(settings)
    os.execv(command[0], command)


def run_worker(options: argparse.Namespace) -> int:
    """Runs a worker until SIGTERM or Ctrl-C, and a new one when it dies.

    Raises:
        AthenaError: the worker did not become ready.
    """
    settings = _settings(options)
    configure_logs("WARNING")
    ability = load_ability(options.ability)
    address = redis_address_of(settings)
    check_redis(address)
    keeper = FleetKeeper(address, settings)
    worker = WorkerChild(ability, "cpu", os.getpid(), keeper, settings)
    with Supervisor(say) as supervisor:
        supervisor.add_duty(keeper.on_tick)
        try:
            supervisor.start([worker], settings.load_timeout_s + 30)
            supervisor.run()
        except Stop:
            say("stopping")
    say("stopped")
    return 0


def _settings(options: argparse.Namespace, **given: str | None) -> Settings:
    settings = from_env(os.environ, redis_url=options.redis, **given)
    settings = dataclasses.replace(settings, redis_url=redis_url_of(settings))
    redis_address_of(settings)
    os.environ.update(child_environment(settings))
    return settings
