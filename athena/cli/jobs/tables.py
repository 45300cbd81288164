"""Jobs as people read them, from what Redis or a gateway tells of them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from athena.cli.operate.operator import ago, print_table
from athena.cli.operate.times import clock_text, took_text
from athena.protocol.enums import JobState

#: What is told of a job, by the names of docs/protocol.md, 2.
Told = Mapping[str, Any]


def chosen(jobs: Iterable[Told], limit: int, error: str) -> list[Told]:
    """Returns so many jobs, or all there are; `error` is in why they came to nothing."""
    wanted = error.lower()
    found: dict[str, Told] = {}
    for job in jobs:
        if wanted in f"{_why(job)} {job['last_failure'] or ''}".lower():
            # One that ends between two pages may be on both; what was said last holds.
            found[job["id"]] = job
        if len(found) >= limit:
            break
    return list(found.values())


def print_jobs(jobs: Sequence[Told]) -> None:
    """Prints jobs as a table."""
    print_table(
        ("ID", "ABILITY", "STATE", "QUEUED", "TOOK", "ATTEMPTS", "WORKER", "WHY"),
        [
            (
                job["id"],
                job["service_id"],
                job["state"],
                ago(job["queued_ms"]),
                _took(job),
                job["attempts"],
                job["worker"],
                _why(job) or job.get("reason") or job["last_failure"],
            )
            for job in jobs
        ],
    )


def _took(job: Told) -> str:
    """Returns how long its call took, or has taken so far."""
    if job["state"] == JobState.RUNNING and job["started_ms"]:
        return took_text(max(0.0, time.time() * 1000 - job["started_ms"]))
    return took_text(job["exec_ms"]) if job["exec_ms"] else ""


def _why(job: Told) -> str:
    if not job["code"]:
        return ""
    return f"{job['message'] or ''} ({job['place']})" if job["place"] else job["message"] or ""


def print_job(job: Told) -> None:
    """Prints a job as a table, and what happened to it."""
    rows = ((name, _readable(name, value)) for name, value in job.items() if name != "timeline")
    print_table(("FIELD", "VALUE"), rows)
    print()
    print_table(
        ("TIME", "EVENT", "ATTEMPT", "WORKER", "DETAIL"),
        [
            (clock_text(event["at_ms"]), *(event[name] for name in ("event", "attempt", "worker", "detail")))
            for event in job["timeline"]
        ],
    )


def _readable(name: str, value: Any) -> Any:
    """Returns what is said of a job as people read it: `--json` has milliseconds since 1970."""
    if not value or not isinstance(value, int | float):
        return value
    if name == "exec_ms":
        return took_text(value)
    return clock_text(int(value)) if name.endswith("_ms") else value


def canceled_text(state: str | None) -> str:
    """Returns what a cancel came to, from the state before it; None where there is no such job."""
    if state is None:
        return "unknown"
    return f"was {state} before" if JobState(state).is_final else f"canceled (was {state})"
