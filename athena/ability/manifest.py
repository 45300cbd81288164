"""An ability: the folder of a `wrapper.py`, and what its `ability.toml` says about running it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from athena.ability.aiges_config import flat_texts, read_toml, read_upstream_config
from athena.ability.names import check_service_id, check_side, check_version
from athena.ability.wrapper_source import read_wrapper_source
from athena.devices.types import CPU, TYPE_NAME, is_reserved, renamed_types
from athena.errors import ConfigError
from athena.protocol.interface import Limits
from athena.protocol.paths import DEFAULT_VERSION, SERVICE_ID, VERSION, main_of

T = TypeVar("T")

#: The file beside a wrapper.py.
MANIFEST = "ability.toml"

#: Far above any sensible limit, and a number that milliseconds of it still are exact.
MAX_NUMBER = 10**12

#: As base64 they are a third more, and Redis takes values of up to 512 MiB.
MAX_OUTPUT_BYTES = 256 * 1024 * 1024

#: More processes do not fit on any GPU.
MAX_WORKERS_PER_GPU = 64

#: An exception, with its module or without, or a code.
ERROR_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*|-?[0-9]{1,18}")

#: Gateways look once a second.
MIN_CANARY_S = 1.0

#: By how much shares may seem to exceed a whole GPU: three times 1/3 may be a little more than 1.
ROUNDING = 1e-9


@dataclass(frozen=True)
class GpuOptions:
    """Table `[gpu]`: on what the ability may run.

    Attributes:
        types: GPU types in order of preference; `cpu` is one of them.
        fallback: whether a request for another type may run on what is alive.
        memory_mb: GPU memory that one worker needs, in MiB, and the most it gets; 0 if unknown.
        workers_per_gpu: how many workers share one GPU.
        share: part of a GPU that one worker claims, from 0 to 1; with 1 it has the GPU for itself.
    """

    types: tuple[str, ...] = (CPU,)
    fallback: bool = True
    memory_mb: int = 0
    workers_per_gpu: int = 1
    share: float = 0.0


@dataclass(frozen=True)
class WorkerOptions:
    """Table `[worker]`: how one worker process runs jobs.

    Attributes:
        batch_tolerance: by how much an answer may differ in a batch, as `athena check` measures it.
        python: the Python of an environment that its author keeps; "" for ours.
        requirements: whether an environment is made of its requirements.txt.
    """

    slots: int = 4
    max_batch: int = 1
    max_wait_ms: float = 0
    batch_tolerance: float = 0.01
    concurrency: int = 1
    max_jobs: int = 0
    max_memory_mb: int = 0
    cpu_workers: int = 1
    max_failures: int = 3
    canary_s: float = 0
    python: str = ""
    requirements: bool = False


@dataclass(frozen=True)
class RetryOptions:
    """Table `[retry]`: which failures of a job are tried again.

    Attributes:
        errors: names of exceptions, or codes that the wrapper returns; none: nothing is tried again.
        max_runs: so many runs of a job at most, the first and those that ended otherwise included.
        backoff_s: how long the second run waits; each later one twice as long.
        max_backoff_s: no run waits longer.
    """

    errors: tuple[str, ...] = ()
    max_runs: int = 3
    backoff_s: float = 1
    max_backoff_s: float = 60


@dataclass(frozen=True)
class ResourceOptions:
    """Table `[resources]`: where personalised resources are, and how many are loaded at once."""

    dir: str = "resources"
    max_loaded: int = 16


@dataclass(frozen=True)
class Ability:
    """An ability's folder and options.

    Attributes:
        path: the folder; it holds `wrapper.py`.
        service_id: the name in URLs, queues and under `parameter`; from ability.toml, else the wrapper's
            `serviceId`, else the folder's name.
            A side version has its version behind it: `ocr@v2`.
        version: part of the long URL; from ability.toml, else the wrapper's `version`.
        beside: whether it is a side version: served beside the main one, with queues and workers of its own.
        schema: file of a schema document of the original framework; "" for `schema.json`, if it is one.
        config: what `wrapperInit` receives.
        header_params: members of the request's header that the wrapper gets as parameters, unless the request
            has parameters of these names.
    """

    path: Path
    service_id: str
    version: str = "v1"
    description: str = ""
    schema: str = ""
    gpu: GpuOptions = GpuOptions()
    worker: WorkerOptions = WorkerOptions()
    limits: Limits = Limits()
    retry: RetryOptions = RetryOptions()
    resources: ResourceOptions = ResourceOptions()
    config: dict[str, str] = field(default_factory=dict)
    header_params: tuple[str, ...] = ()
    beside: bool = False

    def with_names(self, aliases: Mapping[str, str]) -> "Ability":
        """Returns it with its GPU types by the names that an operator gives them."""
        return replace(self, gpu=replace(self.gpu, types=renamed_types(self.gpu.types, aliases)))

    @property
    def has_own_python(self) -> bool:
        """Whether its wrapper runs with packages of its own."""
        return bool(self.worker.python) or self.worker.requirements

    @property
    def main_id(self) -> str:
        """The service_id of its main version, which callers say."""
        return main_of(self.service_id)

    @property
    def wrapper_path(self) -> Path:
        """The wrapper's file."""
        return self.path / "wrapper.py"

    @property
    def schema_path(self) -> Path:
        """The original framework's schema document; it counts more than what the wrapper says."""
        return self.path / (self.schema or "schema.json")

    @property
    def example_path(self) -> Path:
        """A request that the ability answers; used for warm-up, documents and tests."""
        return self.path / "example.json"

    @property
    def golden_path(self) -> Path:
        """The answer that this request must get; it need not be there."""
        return self.path / "golden.json"


def load_ability(path: Path) -> Ability:
    """Reads an ability's folder without importing its wrapper.

    Raises:
        ConfigError: a file is missing or a value cannot be used; the message names file and key.
    """
    path = path.absolute()
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder; name the folder that holds wrapper.py")
    if not (path / "wrapper.py").is_file():
        inner = path / "wrapper"
        hint = (
            f"did you mean {inner}?"
            if (inner / "wrapper.py").is_file()
            else "an ability is a folder with one"
        )
        raise ConfigError(f"{path} holds no wrapper.py; {hint}")
    file = path / MANIFEST
    return _parse(path, read_toml(file) if file.exists() else {})


def _parse(path: Path, document: dict[str, Any]) -> Ability:
    file = path / MANIFEST
    known = {
        "service_id",
        "version",
        "description",
        "gpu",
        "worker",
        "limits",
        "retry",
        "resources",
        "config",
        "schema",
        "header_params",
        "beside",
    }
    for key in document.keys() - known:
        raise ConfigError(f"{file}: unknown key {key!r}; known are {', '.join(sorted(known))}")
    config = document.get("config", {})
    if not isinstance(config, dict):
        raise ConfigError(f"{file}: config must be a table [config]")
    upstream = read_upstream_config(path / "aiges.toml")
    source = read_wrapper_source(path / "wrapper.py")
    own_id = source.service_id if SERVICE_ID.fullmatch(source.service_id) else ""
    own_version = source.version if VERSION.fullmatch(source.version) else ""
    service_id = check_service_id(file, document.get("service_id", own_id or path.name))
    version = check_version(file, document.get("version", own_version or DEFAULT_VERSION))
    beside = _like(file, "beside", document.get("beside", False), default=False)
    ability = Ability(
        path=path,
        service_id=check_side(file, service_id, version) if beside else service_id,
        version=version,
        beside=beside,
        description=str(document.get("description", "")),
        schema=_schema(path, file, document.get("schema")),
        gpu=_table(file, "gpu", GpuOptions, document),
        worker=_table(file, "worker", WorkerOptions, document),
        limits=_table(file, "limits", Limits, document),
        retry=_table(file, "retry", RetryOptions, document),
        resources=_table(file, "resources", ResourceOptions, document),
        config={**upstream.config, **dict(flat_texts(config))},
        header_params=_names(file, "header_params", document, upstream.header_params),
    )
    _check(file, ability)
    return ability


def _schema(path: Path, file: Path, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not (path / value).is_file():
        raise ConfigError(f"{file}: schema {value!r} must be the name of a file in {path}")
    return value


def _names(file: Path, name: str, document: dict[str, Any], default: tuple[str, ...]) -> tuple[str, ...]:
    value = document.get(name)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{file}: {name} must be a list of texts, got {value!r}")
    return tuple(value)


def _table(file: Path, name: str, cls: type[T], document: dict[str, Any]) -> T:
    given = document.get(name, {})
    if not isinstance(given, dict):
        raise ConfigError(f"{file}: {name} must be a table [{name}]")
    defaults = {item.name: item.default for item in fields(cls)}  # type: ignore[arg-type]
    for key in given.keys() - defaults.keys():
        raise ConfigError(f"{file}: unknown key {name}.{key}; known are {', '.join(sorted(defaults))}")
    return cls(**{key: _like(file, f"{name}.{key}", given[key], defaults[key]) for key in given})


def _like(file: Path, name: str, value: Any, default: Any) -> Any:
    """Returns `value` if it is of the default's kind, else refuses it."""
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{file}: {name} must be true or false, got {value!r}")
    if isinstance(default, str):
        if isinstance(value, str):
            return value
        raise ConfigError(f"{file}: {name} must be a text, got {value!r}")
    if isinstance(default, tuple):
        # An empty list says something only where it is the default.
        if (
            isinstance(value, list)
            and (value or not default)
            and all(isinstance(item, str) for item in value)
        ):
            return tuple(value)
        raise ConfigError(f"{file}: {name} must be a list of texts, got {value!r}")
    # Times may have fractions although their defaults have none.
    is_whole = isinstance(default, int) and not name.endswith(("_s", "_ms"))
    number = int if is_whole else (int, float)
    if isinstance(value, number) and not isinstance(value, bool) and 0 <= value < MAX_NUMBER:
        return value
    kind = "whole number" if is_whole else "number"
    raise ConfigError(f"{file}: {name} must be a {kind} from 0 to {MAX_NUMBER:g}, got {value!r}")


def _check_gpu(file: Path, gpu: GpuOptions) -> None:
    for name in gpu.types:
        if not TYPE_NAME.fullmatch(name) or (name != CPU and is_reserved(name)):
            raise ConfigError(f'{file}: gpu.types: {name!r} is no GPU type; such as "T4G16", or "cpu"')
    if gpu.workers_per_gpu > MAX_WORKERS_PER_GPU:
        raise ConfigError(
            f"{file}: gpu.workers_per_gpu must be at most {MAX_WORKERS_PER_GPU}, got {gpu.workers_per_gpu}"
        )
    if len(set(gpu.types)) < len(gpu.types):
        raise ConfigError(f"{file}: gpu.types names a type twice")
    if gpu.share * gpu.workers_per_gpu > 1 + ROUNDING:
        raise ConfigError(
            f"{file}: gpu.share x gpu.workers_per_gpu must not be above 1, "
            f"got {gpu.share:g} x {gpu.workers_per_gpu}"
        )


def _check_canary(file: Path, ability: Ability) -> None:
    every_s = ability.worker.canary_s
    if 0 < every_s < MIN_CANARY_S:
        raise ConfigError(
            f"{file}: worker.canary_s must be 0 or at least {MIN_CANARY_S:g}, got {every_s:g}: "
            "canaries take the place of jobs"
        )
    if every_s and not ability.example_path.is_file():
        raise ConfigError(
            f"{file}: worker.canary_s sends the example at intervals, and {ability.example_path} "
            "is not there; write one, or leave worker.canary_s out"
        )


def _check_retry(file: Path, retry: RetryOptions) -> None:
    for name in retry.errors:
        if not ERROR_NAME.fullmatch(name):
            raise ConfigError(
                f"{file}: retry.errors: {name!r} is neither the name of an exception, such as "
                '"TimeoutError" or "httpx.ConnectError", nor a code of the wrapper, such as "1234"'
            )
    if retry.max_runs < 2:
        raise ConfigError(
            f"{file}: retry.max_runs counts the first run too, so it must be at least 2, "
            f"got {retry.max_runs}; leave retry.errors out to try nothing again"
        )
    if retry.max_backoff_s < retry.backoff_s:
        raise ConfigError(
            f"{file}: retry.max_backoff_s must not be below retry.backoff_s ({retry.backoff_s:g}), "
            f"got {retry.max_backoff_s:g}"
        )


def _check(file: Path, ability: Ability) -> None:
    worker = ability.worker
    _check_gpu(file, ability.gpu)
    for name, value in (
        ("gpu.workers_per_gpu", ability.gpu.workers_per_gpu),
        ("worker.cpu_workers", worker.cpu_workers),
        ("worker.slots", worker.slots),
        ("worker.max_batch", worker.max_batch),
        ("worker.concurrency", worker.concurrency),
        ("resources.max_loaded", ability.resources.max_loaded),
        ("limits.max_body_bytes", ability.limits.max_body_bytes),
        ("limits.max_input_bytes", ability.limits.max_input_bytes),
        ("limits.max_output_bytes", ability.limits.max_output_bytes),
        ("limits.max_queue_jobs", ability.limits.max_queue_jobs),
        ("limits.max_queue_bytes", ability.limits.max_queue_bytes),
        ("limits.max_attempts", ability.limits.max_attempts),
        ("limits.max_queue_s", ability.limits.max_queue_s),
        ("limits.max_exec_s", ability.limits.max_exec_s),
        ("limits.wait_s", ability.limits.wait_s),
    ):
        if value <= 0:
            raise ConfigError(f"{file}: {name} must be above 0, got {value!r}")
    if ability.limits.max_output_bytes > MAX_OUTPUT_BYTES:
        raise ConfigError(
            f"{file}: limits.max_output_bytes must be at most {MAX_OUTPUT_BYTES}, "
            f"got {ability.limits.max_output_bytes}: Redis takes no more"
        )
    if worker.slots < 2 * worker.max_batch:
        raise ConfigError(
            f"{file}: worker.slots must be at least twice worker.max_batch "
            f"({2 * worker.max_batch}), got {worker.slots}; fewer leave the model idle between batches"
        )
    if worker.python and worker.requirements:
        raise ConfigError(
            f"{file}: worker.python and worker.requirements exclude each other: the packages are those of "
            "an environment that you keep, or of one that is made of requirements.txt"
        )
    _check_canary(file, ability)
    _check_retry(file, ability.retry)
    if worker.concurrency > 1 and worker.max_batch > 1:
        raise ConfigError(f"{file}: worker.concurrency and worker.max_batch exclude each other")
