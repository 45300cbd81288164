"""Runs steps side by side, on the cores that the worker was given."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from athena.sdk import device

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Each member needs memory for an inference of its own, up to some 200 MB.
MAX_CREW = 4


class Crew:
    """Threads that take steps from one line; an inference of one thread keeps one core busy."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, "crew") if count > 1 else None

    def map(self, step: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Returns the results in the order of the items.

        Raises:
            Exception: what the first failing step raised.
        """
        return list((self._pool.map if self._pool else map)(step, items))

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def crew_size(threads: int | None, runs_on_gpu: bool) -> int:
    """Returns how many inferences may go on at the same time.

    Args:
        threads: of one inference on the CPU; 0 for all cores, None for the worker's share.
        runs_on_gpu: whether they go through one GPU, which takes them one after the other.
    """
    if runs_on_gpu or not threads:
        return 1
    cores = device.current().threads or len(os.sched_getaffinity(0))
    return max(1, min(MAX_CREW, cores // threads))
