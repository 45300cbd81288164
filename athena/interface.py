"""What an ability accepts and answers, as data: workers announce it, gateways build their schemas from it."""

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from athena.ability import Limits


@dataclass(frozen=True)
class ParamSpec:
    """A scalar under `parameter.<service_id>`."""

    key: str
    json_type: str = "string"
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class DataSpec:
    """An input under `payload`, or an output; `type` is the data type number."""

    key: str
    type: int = 0


@dataclass(frozen=True)
class Interface:
    """All that a gateway needs to know about an ability.

    Attributes:
        gpu_types: in the ability's order of preference.
        fallback: whether a request for another type may run on what is alive.
        example: a request that the ability answers, or None.
    """

    service_id: str
    version: str
    description: str
    params: tuple[ParamSpec, ...]
    inputs: tuple[DataSpec, ...]
    outputs: tuple[DataSpec, ...]
    gpu_types: tuple[str, ...]
    fallback: bool
    limits: Limits
    example: dict[str, Any] | None = None

    def encode(self) -> bytes:
        """Returns the interface as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, raw: bytes) -> "Interface":
        """Reads what `encode` wrote; members of a later version are ignored."""
        document = orjson.loads(raw)
        return cls(
            service_id=document["service_id"],
            version=document["version"],
            description=document["description"],
            params=tuple(_param(item) for item in document["params"]),
            inputs=tuple(DataSpec(item["key"], item["type"]) for item in document["inputs"]),
            outputs=tuple(DataSpec(item["key"], item["type"]) for item in document["outputs"]),
            gpu_types=tuple(document["gpu_types"]),
            fallback=document["fallback"],
            limits=Limits(
                **{
                    name: document["limits"][name]
                    for name in Limits.__dataclass_fields__
                    if name in document["limits"]
                }
            ),
            example=document.get("example"),
        )


def _param(item: dict[str, Any]) -> ParamSpec:
    known = {name: item[name] for name in ParamSpec.__dataclass_fields__ if name in item}
    known["enum"] = tuple(known.get("enum", ()))
    return ParamSpec(**known)
