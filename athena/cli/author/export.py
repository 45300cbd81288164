"""`athena export`: values of the Helm chart for given abilities, out of their `ability.toml`."""

import argparse
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import orjson

from athena.ability.manifest import Ability, GpuOptions
from athena.cli.author.pack import check_movable
from athena.cli.folders import load_distinct
from athena.devices.types import CPU
from athena.errors import ConfigError

#: Longest name that the chart takes: names of objects are made of it.
MAX_NAME = 20


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "export",
        help="write values of the Helm chart for abilities",
        description="Prints values for deploy/helm/athena, as JSON, which is YAML too: each ability with a "
        "pool for each of its GPU types, its slots and limits.",
    )
    parser.add_argument("ability", metavar="DIR", type=Path, nargs="+", help="folder with a wrapper.py")
    parser.add_argument(
        "--type",
        metavar="TYPE",
        dest="types",
        action="append",
        default=[],
        help="a GPU type that the cluster has, or cpu; may be repeated (default: all of an ability)",
    )
    parser.add_argument(
        "--images",
        metavar="PREFIX",
        default="athena-",
        help="what stands before an ability's name in that of its image (default athena-)",
    )
    parser.add_argument(
        "--scale",
        metavar="MAX",
        type=int,
        default=0,
        help="let KEDA run 0 to MAX pods of each pool (default: one pod, always)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the values.

    Raises:
        ConfigError: a folder is no ability, or two have the same name.
    """
    if options.scale < 0:
        raise ConfigError(f"--scale must be 0 or more, got {options.scale}")
    abilities = load_distinct(options.ability)
    for ability in abilities:
        check_movable(ability)
    values = chart_values(abilities, options.images, options.scale, options.types)
    print(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode())
    return 0


def chart_values(
    abilities: Iterable[Ability], images: str, scale: int = 0, types: Collection[str] = ()
) -> dict[str, Any]:
    """Returns the values.

    Args:
        abilities: what is to be served.
        images: what stands before an ability's name in that of its image.
        scale: most pods of a pool that a scaler owns; 0: no scaler does.
        types: GPU types that there are; none: all that an ability names.

    Raises:
        ConfigError: two abilities have one name in the cluster, or one may run on none of the types.
    """
    found: dict[str, Any] = {}
    for ability in abilities:
        name = object_name(ability.service_id)
        if name in found:
            raise ConfigError(
                f"{found[name]['serviceId']} and {ability.service_id} both become {name} in a cluster; "
                "change the service_id of one"
            )
        found[name] = {
            "serviceId": ability.service_id,
            "image": {"repository": f"{images}{ability.main_id.lower()}", "tag": ability.version},
            "maxExecS": ability.limits.max_exec_s,
            "pools": _pools(ability, scale, types),
        }
    return {"abilities": found}


def object_name(text: str) -> str:
    """Returns a name that Kubernetes takes: small letters, digits and `-`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:MAX_NAME].strip("-") or "ability"


def _pools(ability: Ability, scale: int, types: Collection[str]) -> dict[str, Any]:
    pools: dict[str, Any] = {}
    for gpu_type in [name for name in ability.gpu.types if not types or name in types]:
        pool: dict[str, Any] = {"gpuType": gpu_type}
        if gpu_type != CPU:
            # What the cluster's own labels say is for whoever runs it to know.
            pool |= {"gpus": 1, "nodeSelector": {"athena/gpu-type": gpu_type}}
        if scale:
            pool["scale"] = {"enabled": True, "min": 0, "max": scale, "slots": _slots(ability, gpu_type)}
        pools[object_name(gpu_type)] = pool
    if not pools:
        raise ConfigError(
            f"{ability.service_id} runs on {', '.join(ability.gpu.types)}, not on {', '.join(types)}; "
            "change gpu.types of its ability.toml, or --type"
        )
    return pools


def _slots(ability: Ability, gpu_type: str) -> int:
    """Returns how many jobs the workers of one pod hold."""
    gpu: GpuOptions = ability.gpu
    workers = ability.worker.cpu_workers if gpu_type == CPU else gpu.workers_per_gpu
    return ability.worker.slots * workers
