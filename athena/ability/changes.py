"""What an edit of a folder changes while its ability is served, and what that takes."""

from dataclasses import fields, is_dataclass
from typing import Any

from athena.ability.manifest import Ability

#: A host names and places its workers by these once, when `athena serve` or `athena workers` starts.
PLANNED = frozenset(
    {
        "service_id",
        "beside",
        "gpu.types",
        "gpu.memory_mb",
        "gpu.workers_per_gpu",
        "gpu.share",
    }
)

#: A worker process takes these in each time one starts; the host follows `worker.cpu_workers` then.
RENEWED = frozenset(
    {
        "version",
        "description",
        "schema",
        "config",
        "header_params",
        "gpu.fallback",
        "worker.slots",
        "worker.max_batch",
        "worker.max_wait_ms",
        "worker.batch_tolerance",
        "worker.concurrency",
        "worker.cpu_workers",
        "worker.max_jobs",
        "worker.max_memory_mb",
        "worker.max_failures",
        "worker.canary_s",
        "worker.python",
        "worker.requirements",
        "retry.errors",
        "retry.max_runs",
        "retry.backoff_s",
        "retry.max_backoff_s",
        "resources.dir",
        "resources.max_loaded",
        "limits.max_body_bytes",
        "limits.max_input_bytes",
        "limits.max_output_bytes",
        "limits.max_queue_jobs",
        "limits.max_queue_bytes",
        "limits.max_queue_s",
        "limits.max_exec_s",
        "limits.max_attempts",
        "limits.cancel_grace_s",
        "limits.wait_s",
    }
)


def options_of(ability: Ability) -> dict[str, Any]:
    """Returns what an ability's folder sets, by key; `worker.slots` is `slots` in `[worker]`."""
    options: dict[str, Any] = {}
    for item in fields(ability):
        value = getattr(ability, item.name)
        if is_dataclass(value):
            options.update({f"{item.name}.{key}": part for key, part in vars(value).items()})
        elif item.name != "path":
            options[item.name] = value
    return options


def planned_changes(before: Ability, after: Ability) -> list[str]:
    """Returns what was changed, in words, that no restart of a worker takes in."""
    old, new = options_of(before), options_of(after)
    changed = [key for key in sorted(PLANNED) if old[key] != new[key]]
    if "beside" in changed and before.main_id == after.main_id:
        # The name follows from it.
        changed = [key for key in changed if key != "service_id"]
    return [f"{key} was changed from {_shown(old[key])} to {_shown(new[key])}" for key in changed]


def _shown(value: Any) -> str:
    """Returns a value as an ability.toml has it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)
