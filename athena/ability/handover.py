"""An ability as a supervisor hands it to its workers, who do not read its ability.toml again."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from athena.ability.manifest import Ability, GpuOptions, ResourceOptions, RetryOptions, WorkerOptions
from athena.protocol.interface import Limits


def encode_ability(ability: Ability) -> bytes:
    """Returns an ability as JSON."""
    return orjson.dumps({**asdict(ability), "path": str(ability.path)})


def decode_ability(raw: bytes) -> Ability:
    """Reads what `encode_ability` wrote."""
    document: dict[str, Any] = orjson.loads(raw)
    gpu = document["gpu"]
    # A supervisor of before hands none over.
    retry = document.get("retry", {"errors": ()})
    return Ability(
        **{
            **document,
            "path": Path(document["path"]),
            "gpu": GpuOptions(**{**gpu, "types": tuple(gpu["types"])}),
            "worker": WorkerOptions(**document["worker"]),
            "limits": Limits(**document["limits"]),
            "retry": RetryOptions(**{**retry, "errors": tuple(retry["errors"])}),
            "resources": ResourceOptions(**document["resources"]),
            "header_params": tuple(document["header_params"]),
        }
    )
