"""Tasks that another Celery client sent with a priority: kombu puts them where no worker takes from."""

from collections.abc import Iterator

import pytest
from celery import Celery

from athena.jobs.celery_message import TASK_NAME
from athena.jobs.queues import queues_of_targets
from athena.store.celery_address import celery_url
from athena.store.fencing import sweep_command
from athena.store.keys import bell_key, queues_key

from .conftest import ANY_QUEUE, CPU_QUEUE, Store

pytestmark = pytest.mark.redis


@pytest.fixture
def stranger(redis_server: str) -> Iterator[Celery]:
    """A stock Celery application that knows nothing but the broker."""
    app = Celery("stranger", broker=celery_url(redis_server), set_as_current=False)
    yield app
    app.close()


def send(app: Celery, task_id: str, queue: str = ANY_QUEUE, **options: int) -> None:
    app.send_task(TASK_NAME, args=[{}], queue=queue, task_id=task_id, **options)


def sweep(store: Store, thorough: bool = False) -> None:
    queues = queues_of_targets("echo", ("cpu", "any"))
    store.run(sweep_command("echo", queues, 60, 60, thorough))


def taken(store: Store) -> list[str]:
    return [job.job_id for job in store.take(100)]


def test_tasks_of_every_priority_come_to_their_queue(store: Store, stranger: Celery) -> None:
    for priority in range(10):
        send(stranger, f"task-{priority}", priority=priority)

    sweep(store)

    assert store.raw("LLEN", ANY_QUEUE) == 10
    assert store.raw("SMEMBERS", queues_key("echo")) == [ANY_QUEUE.encode()]
    assert store.exists(bell_key(ANY_QUEUE))
    assert taken(store) == [f"task-{priority}" for priority in range(10)]


def test_priority_that_is_a_setting_of_the_client_counts(store: Store, stranger: Celery) -> None:
    stranger.conf.task_default_priority = 5

    def run(envelope: object) -> None: ...

    # A shared task would be one of every Celery application of this process.
    stranger.task(name=TASK_NAME, shared=False)(run).apply_async(args=[{}], queue=ANY_QUEUE, task_id="alone")
    assert store.raw("LLEN", ANY_QUEUE) == 0

    sweep(store)

    assert taken(store) == ["alone"]


def test_steps_that_a_client_chose_are_found_when_the_janitor_looks_closely(
    store: Store, stranger: Celery
) -> None:
    stranger.conf.broker_transport_options = {"priority_steps": list(range(10))}
    for number, priority in enumerate((8, 1, 5, 1)):
        send(stranger, f"task-{number}", CPU_QUEUE, priority=priority)

    sweep(store)
    assert taken(store) == []
    sweep(store, thorough=True)

    assert taken(store) == ["task-1", "task-3", "task-2", "task-0"]


def test_idle_ability_with_nothing_but_a_task_of_a_priority_is_swept(store: Store, stranger: Celery) -> None:
    send(stranger, "alone", CPU_QUEUE, priority=9)

    sweep(store)

    assert taken(store) == ["alone"]
