"""docs/ability.md: the keys of ability.toml."""

import tempfile
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from athena.ability.changes import PLANNED
from athena.ability.manifest import Ability, load_ability
from athena.errors import ConfigError
from tests.pages.markdown import code, note, table

INTRO = """\
# ability.toml

The file lies beside an ability's `wrapper.py`. All of it may be left out. `abilities/echo/ability.toml` shows the form
of every key. An unknown key or a value of the wrong kind keeps everything from starting, and the message names file
and key.

An edit takes effect when a worker starts anew: `athena workers restart NAME`, SIGHUP to `athena serve`, or by itself with
`athena serve --reload`. Keys marked
with **host** are what a host plans its workers by; these take a restart of `athena serve` or `athena workers`
([operations.md](operations.md#editing-an-ability-while-it-is-served)).
"""

#: Table of the file -> what it is about.
SUBJECTS = {
    "": "The ability",
    "gpu": "On what it may run; [gpu.md](gpu.md) tells how GPUs are given out",
    "worker": "How one worker process runs jobs",
    "limits": "What callers may ask for, and how long things may take",
    "retry": "Failures that are tried again ([wrappers.md](wrappers.md#failures-that-are-tried-again))",
    "resources": "Personalised resources ([wrappers.md](wrappers.md#personalised-resources))",
}

RULES = """\
## Rules between keys

- `worker.slots` is at least twice `worker.max_batch`, so that the next batch is there when one ends.
- `worker.concurrency` and `worker.max_batch` are not both above 1.
- `worker.python` and `worker.requirements` exclude each other.
- `gpu.share` times `gpu.workers_per_gpu` is at most 1.
- `config` of the file counts more than the sections of `aiges.toml` ([wrappers.md](wrappers.md#files-of-the-original-framework)).
"""

#: Keys whose default is more than a value.
DEFAULTS = {
    "service_id": "the wrapper's `serviceId`, or the folder's name",
    "schema": "`schema.json`, if it is one",
    "version": 'the wrapper\'s `version`, or `"v1"`',
}

MEANING = {
    "service_id": "name in URLs, queues and under `parameter`: 1 to 64 letters, digits, `-`, `_`",
    "version": "version in the long URL",
    "beside": "whether it is served beside the main version, with queues and workers of its own ([upgrade.md](upgrade.md#two-versions-of-one-ability))",
    "description": "one sentence for `GET /v1/abilities`",
    "schema": "schema document of the original framework; where it is there, it decides what is accepted",
    "config": "table that `wrapperInit` receives; all values become texts",
    "gpu.types": "GPU types in order of preference; `cpu` is one of them",
    "gpu.fallback": "whether a request for another type may run on what is alive",
    "gpu.memory_mb": "GPU memory that one worker needs, and the most it gets, in MiB; 0: unknown, no limit",
    "gpu.workers_per_gpu": "workers of the ability on one GPU, at most 64",
    "gpu.share": "part of a GPU that one worker claims, from 0 to 1; 1: it has the GPU for itself",
    "worker.cpu_workers": "worker processes, where the ability runs on the CPU",
    "worker.slots": "jobs that a worker holds at once, running and waiting",
    "worker.max_batch": "jobs that one inference call takes together",
    "worker.max_wait_ms": "how long an inference call waits for its batch to fill",
    "worker.batch_tolerance": "by how much of its largest number an answer in a batch may differ from the answer to "
    "the same request alone; `athena check` measures it",
    "worker.concurrency": "inference threads; above 1 only for wrappers that mostly wait",
    "worker.max_jobs": "so many jobs, and the worker is replaced by a fresh one; 0 for no limit",
    "worker.max_memory_mb": "with so much resident memory, the worker is replaced; 0 for no limit",
    "worker.max_failures": "after so many failed calls in a row, the example tells whether the process is "
    "broken; 0: only after errors that are known to stay",
    "worker.canary_s": "so often one gateway sends the example through the queue, and readiness means that "
    "it is answered; 0: never, else at least 1",
    "worker.python": "Python of an environment that you keep, such as `.venv/bin/python` "
    '([wrappers.md](wrappers.md#packages-of-its-own)); `""`: Athena\'s own',
    "worker.requirements": "whether an environment is made of what `requirements.txt` names",
    "limits.max_body_bytes": "largest request body; a larger one gets 413",
    "limits.max_input_bytes": "all inputs of a job, once they are unpacked (`compress`); more fail the job",
    "limits.max_output_bytes": "all outputs of a job, before base64; more fail it; at most 268435456",
    "limits.max_queue_jobs": "jobs that each queue of the ability may hold; a full one answers 429",
    "limits.max_queue_bytes": "bytes that all jobs of the ability may have that are not ended: 429 beyond",
    "limits.max_attempts": "after so many deaths of its worker a job is `poisoned`, a dead letter",
    "limits.cancel_grace_s": "how long a call may go on once its jobs are canceled, until it is killed",
    "limits.max_queue_s": "a job that was not started by then expires",
    "limits.max_exec_s": "an inference call that takes longer is ended with its process",
    "limits.wait_s": "how long a synchronous call waits; then 504",
    "retry.errors": "failures after which a job is tried again: names of exceptions, and codes of the wrapper",
    "retry.max_runs": "so many runs of a job at most, the first included",
    "retry.backoff_s": "how long the second run waits; each later one twice as long",
    "retry.max_backoff_s": "no run waits longer than this",
    "header_params": "members of the header that the wrapper gets as parameters too; also `headerPass` of "
    "`aiges.toml`",
    "resources.dir": "folder of personalised resources, in the ability's own",
    "resources.max_loaded": "personalised resources that a worker keeps loaded",
}


def tables() -> dict[str, dict[str, Any]]:
    """Returns each table of the file, "" for its head, with its keys and their defaults."""
    found: dict[str, dict[str, Any]] = {"": {}}
    for item in fields(Ability):
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        if is_dataclass(default):
            found[item.name] = {part.name: part.default for part in fields(default)}
        elif item.name != "path":
            found[""][item.name] = "" if default is MISSING else default
    return found


def keys() -> Iterator[tuple[str, Any]]:
    """Yields each key and its default; one in a table with the table's name before it."""
    for name, options in tables().items():
        for key, default in options.items():
            yield (f"{name}.{key}" if name else key), default


def render() -> str:
    """Returns the page."""
    missing = [key for key, _ in keys() if key not in MEANING]
    if missing:
        raise LookupError(f"say in MEANING of tests/pages/ability.py what these do: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        sections = [_section(name, options, Path(folder)) for name, options in tables().items()]
    return "\n".join([note("athena/ability/manifest.py"), INTRO, *sections, RULES])


def _section(name: str, options: dict[str, Any], folder: Path) -> str:
    full = {key: f"{name}.{key}" if name else key for key in options}
    rows = (
        (
            code(key),
            _kind(full[key], default, folder),
            _default(full[key], default),
            _restart(full[key]),
            MEANING[full[key]],
        )
        for key, default in options.items()
    )
    title = f"## [{name}]" if name else "## The head of the file"
    shown = table(("key", "kind", "default", "restart of", "meaning"), rows)
    return f"{title}\n\n{SUBJECTS.get(name, name)}.\n\n{shown}"


def _restart(key: str) -> str:
    return "**host**" if key in PLANNED else "worker"


def _kind(key: str, default: Any, folder: Path) -> str:
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int | float):
        is_whole = isinstance(default, int) and not key.endswith(("_s", "_ms"))
        return f"{'whole number' if is_whole else 'number'}, {'0 or more' if may_be_0(key, folder) else 'above 0'}"
    if isinstance(default, str):
        return "text"
    return "list of texts" if isinstance(default, tuple) else "table"


def may_be_0(key: str, folder: Path) -> bool:
    """Whether an ability may set a key to 0: it is asked."""
    name, _, option = key.partition(".")
    (folder / "wrapper.py").write_text("")
    (folder / "ability.toml").write_text(f'service_id = "probe"\n[{name}]\n{option} = 0\n')
    try:
        load_ability(folder)
    except ConfigError:
        return False
    return True


def _default(key: str, value: Any) -> str:
    if key in DEFAULTS:
        return DEFAULTS[key]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{part}"' for part in value) + "]`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`" if isinstance(value, int | float) else "empty"
