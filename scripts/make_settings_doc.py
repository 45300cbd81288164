"""Writes docs/settings.md from the tables in the code: `python scripts/make_settings_doc.py`."""

from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from athena.ability.changes import PLANNED
from athena.ability.manifest import (
    Ability,
    GpuOptions,
    ResourceOptions,
    WorkerOptions,
)
from athena.protocol.interface import Limits
from athena.settings import setting_table

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"

SETTINGS_INTRO = """\
# Settings

This page is written by `scripts/make_settings_doc.py` from `athena/settings.py` and
`athena/ability/manifest.py`.

## Environment

Each setting is an environment variable, read once at start. A value that cannot be used keeps the
process from starting. A variable with `_FILE` at its end names a file that holds the value, for
secrets: `ATHENA_REDIS_URL_FILE=redis-url.txt`. Options of `athena serve` (see `--help`) win over
the environment. Times are seconds, sizes bytes.
"""

ABILITY_INTRO = """\
## ability.toml

The file lies beside an ability's `wrapper.py`. All of it may be left out. An unknown key or a value
of the wrong kind keeps everything from starting, and the message names the key. A key with a dot is
in a table: `worker.slots` is `slots` in `[worker]`. `abilities/echo/ability.toml` shows the form.

An edit takes effect when its worker starts anew (`athena workers restart NAME`, SIGHUP to `athena serve`).
What workers are planned by takes a restart of `athena serve` or `athena workers`: docs/operations.md.
"""

ABILITY_RULES = """\
`worker.slots` is at least twice `worker.max_batch`, so that the next batch is there when one ends.
`worker.concurrency` and `worker.max_batch` are not both above 1. Numbers are above 0, except
`worker.max_wait_ms`, `worker.max_jobs`, `worker.max_memory_mb`, `worker.max_failures`, `gpu.memory_mb`,
`gpu.share` and `limits.cancel_grace_s`. How GPUs are given out: docs/gpu.md.
"""

#: Not values of their own: where the file lies, and the tables.
NOT_KEYS = {"path", "gpu", "worker", "limits", "resources"}

TABLES: dict[str, type] = {
    "gpu": GpuOptions,
    "worker": WorkerOptions,
    "limits": Limits,
    "resources": ResourceOptions,
}

MEANING = {
    "service_id": "name in URLs, queues and under `parameter`: 1 to 64 letters, digits, `-`, `_`",
    "version": "version in the long URL",
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
    "worker.concurrency": "inference threads; above 1 only for wrappers that mostly wait",
    "worker.max_jobs": "so many jobs, and the worker is replaced by a fresh one; 0 for no limit",
    "worker.max_memory_mb": "with so much resident memory, the worker is replaced; 0 for no limit",
    "worker.max_failures": "after so many failed calls in a row, the example tells whether the process is "
    "broken; 0: only after errors that are known to stay",
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
    "header_params": "members of the header that the wrapper gets as parameters too; also `headerPass` of "
    "`aiges.toml`",
    "resources.dir": "folder of personalised resources, in the ability's own",
    "resources.max_loaded": "personalised resources that a worker keeps loaded",
}


def render() -> str:
    """Returns the page."""
    parts = [SETTINGS_INTRO, _settings(), ABILITY_INTRO, _ability_keys(), ABILITY_RULES]
    return "\n".join(parts)


def _settings() -> str:
    rows = ((f"`{row.variable}`", _code(row.default), row.help) for row in setting_table())
    return _table(("variable", "default", "meaning"), rows)


def _ability_keys() -> str:
    rows = (
        (f"`{name}`", default, "athena" if name in PLANNED else "worker", MEANING[name])
        for name, default in ability_keys()
    )
    return _table(("key", "default", "restart of", "meaning"), rows)


def ability_keys() -> Iterator[tuple[str, str]]:
    """Yields each key of ability.toml and its default, as the page shows them."""
    yield "service_id", "the wrapper's `serviceId`, or the folder's name"
    yield "schema", "`schema.json`, if it is one"
    yield "version", 'the wrapper\'s `version`, or `"v1"`'
    for item in fields(Ability):
        if item.name not in NOT_KEYS | {"service_id", "version", "schema"}:
            yield item.name, _default(item)
    for table, options in TABLES.items():
        for item in fields(options):
            yield f"{table}.{item.name}", _default(item)


def _default(item: "Field[Any]") -> str:
    value = item.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{part}"' for part in value) + "]`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`" if isinstance(value, int | float) else "empty"


def _code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
