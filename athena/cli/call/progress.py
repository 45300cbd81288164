"""How a job stands, on standard error, where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from athena.client import Job


@contextmanager
def progress(is_wanted: bool = True) -> Iterator["Callable[[Job], None] | None"]:
    """Gives what is told each second how a job stands; None where nobody looks."""
    if not is_wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("waiting for an answer") as status:
        yield lambda job: status.update(standing(job))


def standing(job: "Job") -> str:
    """Returns in a line how a job stands, and why."""
    words = [f"job {job.id}", job.state]
    if job.position:
        words.append(f"about {job.position}. in its queue")
    if job.progress is not None:
        words.append(f"{job.progress:.0%}")
    if job.reason:
        words.append(job.reason)
    return ", ".join(words)
