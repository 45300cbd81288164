"""Retired abilities are forgotten, and nothing that was accepted for them is left without an end."""

from typing import Any

import pytest

from athena.errors import AbilityInUseError, NotFoundError
from athena.operations.queues import forget_ability, list_abilities
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store.keys import (
    ABILITIES,
    FAILURES,
    FORGOTTEN,
    WORKERS,
    bell_key,
    line_key,
    load_key,
    open_key,
    queues_key,
)

from .conftest import ANY_QUEUE, CPU_QUEUE, Store
from .test_recovery import interface

pytestmark = pytest.mark.redis


@pytest.fixture
def retired(store: Store) -> Store:
    """The store, with the ability `echo` and no worker that serves it."""
    store.raw("HSET", ABILITIES, "echo", interface().encode())
    store.raw("DEL", WORKERS)
    return store


def forget(store: Store, service_id: str = "echo", force: bool = False) -> Any:
    return run_steps(forget_ability(service_id, force), store.run)


def test_ability_is_forgotten_with_its_queues_and_books(retired: Store) -> None:
    retired.register()
    retired.submit("done")
    (job,) = retired.take(1)
    retired.finish("done", job.token)
    retired.raw("DEL", WORKERS)
    retired.raw("HSET", FAILURES, "echo", "it did not start")

    assert forget(retired) == 0

    assert run_steps(list_abilities(), retired.run) == []
    assert retired.raw("HGET", FORGOTTEN, "echo") is not None
    left = {key.decode() for key in retired.raw("KEYS", "*")}
    assert not left & {ANY_QUEUE, FAILURES, queues_key("echo"), load_key("echo"), line_key(ANY_QUEUE)}
    assert not left & {bell_key(ANY_QUEUE), "athena:ended:echo"}
    assert retired.state("done") is JobState.SUCCEEDED
    with pytest.raises(NotFoundError, match="no ability 'echo'; there are: "):
        forget(retired)


def test_served_ability_is_forgotten_by_force_only(retired: Store) -> None:
    retired.register()

    with pytest.raises(AbilityInUseError, match=r"1 workers serve echo \(echo.cpu.0@host\)"):
        forget(retired)

    assert forget(retired, force=True) == 0


def test_ability_with_jobs_is_forgotten_by_force_only_and_its_jobs_are_canceled(retired: Store) -> None:
    for number in range(1200):
        retired.submit(f"j{number}", max_queue_jobs=2000)
    retired.submit("pinned", queue=CPU_QUEUE)

    with pytest.raises(AbilityInUseError, match="1201 open jobs and 1201 messages"):
        forget(retired)
    assert [item.service_id for item in run_steps(list_abilities(), retired.run)] == ["echo"]
    assert forget(retired, force=True) == 1201

    states = {retired.state(job_id) for job_id in ("j0", "j700", "j1199", "pinned")}
    assert states == {JobState.CANCELED}
    assert not retired.exists(open_key("echo")) and not retired.exists(ANY_QUEUE)
    assert retired.raw("LLEN", CPU_QUEUE) == 0


def test_message_of_another_client_keeps_its_ability(retired: Store) -> None:
    retired.raw("LPUSH", CPU_QUEUE, b'{"headers": {"task": "athena.run", "id": "f-1"}}')

    with pytest.raises(AbilityInUseError, match="0 open jobs and 1 messages"):
        forget(retired)
