"""What an ability accepts and answers, as data: workers announce it, gateways build their schemas from it."""

from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import orjson

from athena.protocol.paths import main_of, run_path

#: What `ParamSpec.format_as` may say.
FORMATS = ("", "string", "boolean", "integer", "number", "lower", "upper")


@dataclass(frozen=True)
class Limits:
    """Table `[limits]`: what is refused, and when waiting and running end."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_input_bytes: int = 64 * 1024 * 1024
    max_output_bytes: int = 64 * 1024 * 1024
    max_queue_jobs: int = 10_000
    max_queue_bytes: int = 1024 * 1024 * 1024
    max_queue_s: float = 600
    max_exec_s: float = 60
    max_attempts: int = 3
    cancel_grace_s: float = 10
    wait_s: float = 60


@dataclass(frozen=True)
class ParamSpec:
    """A scalar under `parameter.<service_id>`, or a member of an input or of an expected output.

    The last four rewrite a request that was found valid, in this order (`jobs.intake.complete`); None and
    "" do nothing.

    Attributes:
        required: must be there, if only with null.
        enum: the allowed values; lengths and limits count where there is none.
        const: takes the place of whatever was sent.
        default: is filled in where nothing was sent.
        replace_key: another name under which the wrapper gets the value too, unless that was sent itself.
        format_as: what the value is turned into: one of `FORMATS`.
    """

    key: str
    json_type: str = "string"
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    description: str = ""
    const: Any = None
    default: Any = None
    replace_key: str = ""
    format_as: str = ""

    @property
    def rewrites(self) -> bool:
        """Whether it changes requests."""
        return bool(self.const is not None or self.default is not None or self.replace_key or self.format_as)


@dataclass(frozen=True)
class DataSpec:
    """An input under `payload`, or an output.

    Attributes:
        type: data type number.
        required: whether its object must be there: under `payload`, or for an output under
            `parameter.<service_id>`.
        members: what that object may hold, the data itself included; None for what docs/protocol.md says of
            the type.
        is_json: whether a text is JSON, which the plain form shows as such (`plain`).
        encoding: what the ability says that its data is, such as `png`; "" where it says nothing.
    """

    key: str
    type: int = 0
    required: bool = False
    members: tuple[ParamSpec, ...] | None = None
    is_json: bool = False
    encoding: str = ""


@dataclass(frozen=True)
class Canary:
    """That gateways send the example at intervals, as a job like any other.

    Attributes:
        every_s: how often.
        golden: the payload that its answer must have; None where any will do.
    """

    every_s: float
    golden: dict[str, Any] | None = None


@dataclass(frozen=True)
class Interface:
    """All that a gateway needs to know about an ability.

    Attributes:
        gpu_types: in the ability's order of preference.
        fallback: whether a request for another type may run on what is alive.
        example: a request that the ability answers, or None.
        header_params: members of the header that become parameters (see `Ability`).
        canary: None where the example is not sent at intervals.
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
    header_params: tuple[str, ...] = ()
    canary: Canary | None = None

    @cached_property
    def main_id(self) -> str:
        """What callers say, also under `parameter`: its service_id without the version of a side version."""
        return main_of(self.service_id)

    @property
    def path(self) -> str:
        """Where requests for this version go, and for the main one those for any."""
        return run_path(self.service_id)

    @property
    def is_permissive(self) -> bool:
        """Whether the ability declares nothing; then it gets whatever parameters and inputs are sent."""
        return not (self.params or self.inputs or self.outputs)

    @cached_property
    def rewrites(self) -> bool:
        """Whether valid requests are changed before they are queued (see `ParamSpec`)."""
        members = [member for spec in (*self.inputs, *self.outputs) for member in spec.members or ()]
        return any(spec.rewrites for spec in (*self.params, *members))

    @cached_property
    def input_types(self) -> dict[str, int]:
        """Input key -> data type number."""
        return {spec.key: spec.type for spec in self.inputs}

    @cached_property
    def input_specs(self) -> dict[str, DataSpec]:
        """Input key -> its declaration."""
        return {spec.key: spec for spec in self.inputs}

    @cached_property
    def param_keys(self) -> frozenset[str]:
        """Names of the parameters."""
        return frozenset(spec.key for spec in self.params)

    @cached_property
    def json_outputs(self) -> frozenset[str]:
        """Keys of the outputs that are JSON."""
        return frozenset(spec.key for spec in self.outputs if spec.is_json)

    @cached_property
    def output_specs(self) -> dict[str, DataSpec]:
        """Output key -> its declaration."""
        return {spec.key: spec for spec in self.outputs}

    @cached_property
    def output_types(self) -> dict[str, int]:
        """Output key -> data type number."""
        return {spec.key: spec.type for spec in self.outputs}

    @cached_property
    def digest(self) -> str:
        """Tells apart interfaces that do not take the same requests: 16 hexadecimal digits."""
        # Limits, GPU types and version are left out: when they change, jobs that wait still fit.
        inputs, outputs = map(_judged, self.inputs), map(_judged, self.outputs)
        told = [self.service_id, self.params, [*inputs], [*outputs], self.header_params]
        # Through JSON and back: a gateway has read what a worker has written.
        return blake2b(orjson.dumps(told, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()

    def encode(self) -> bytes:
        """Returns the interface as JSON."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    @classmethod
    def decode(cls, raw: bytes) -> "Interface":
        """Reads what `encode` wrote; members of a later version are ignored."""
        document = orjson.loads(raw)
        # Checked here, where whoever reads the registry leaves an entry out: queues are named after these.
        if not all(isinstance(item, str) for item in (document["service_id"], *document["gpu_types"])):
            raise TypeError("service_id and gpu_types must be texts")
        return cls(
            service_id=document["service_id"],
            version=document["version"],
            description=document["description"],
            params=tuple(_param(item) for item in document["params"]),
            inputs=tuple(_data(item) for item in document["inputs"]),
            outputs=tuple(_data(item) for item in document["outputs"]),
            gpu_types=tuple(document["gpu_types"]),
            fallback=document["fallback"],
            # Earlier versions did not write all limits, and later ones may write more.
            limits=Limits(
                **{
                    name: document["limits"][name]
                    for name in Limits.__dataclass_fields__
                    if name in document["limits"]
                }
            ),
            example=document.get("example"),
            header_params=tuple(document.get("header_params", ())),
            canary=_canary(document.get("canary")),
        )


@dataclass(frozen=True)
class _Judged:
    """What a schema makes of a declaration; what a text holds is nothing to it.

    None is added, and their order stays: gateways and workers of two versions find the same digest.
    """

    key: str
    type: int
    required: bool
    members: tuple[ParamSpec, ...] | None


def _judged(spec: DataSpec) -> _Judged:
    return _Judged(spec.key, spec.type, spec.required, spec.members)


def _canary(item: dict[str, Any] | None) -> Canary | None:
    return Canary(float(item["every_s"]), item.get("golden")) if item else None


def _param(item: dict[str, Any]) -> ParamSpec:
    known = {name: item[name] for name in ParamSpec.__dataclass_fields__ if name in item}
    known["enum"] = tuple(known.get("enum", ()))
    return ParamSpec(**known)


def _data(item: dict[str, Any]) -> DataSpec:
    known = {name: item[name] for name in DataSpec.__dataclass_fields__ if name in item}
    if known.get("members") is not None:
        known["members"] = tuple(_param(member) for member in known["members"])
    return DataSpec(**known)
