"""Stock Celery tools and stock send_task."""

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from celery import Celery

from tests.e2e.conftest import ROOT, Stack, example, tool_environment, wait_until

pytestmark = pytest.mark.e2e

QUEUE = "echo.cpu"


@pytest.fixture(scope="module")
def producer(stack: Stack) -> Celery:
    """A stock Celery application that knows nothing but the broker."""
    url = "redis+socket://" + stack.redis_url.removeprefix("unix://")
    return Celery("stranger", broker=url, set_as_current=False)


@pytest.mark.parametrize("command", ["ping", "active", "stats", "active_queues", "reserved"])
def test_inspect_is_answered_by_all_workers(stack: Stack, command: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "celery", "-A", "workers.celery_app"),
            *("inspect", command, "--json", "--timeout", "10"),
        ],
        cwd=ROOT,
        env=tool_environment(stack),
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    answered = json.loads(done.stdout)
    assert sorted(name.split("@")[0] for name in answered) == ["echo.cpu.0", "mmocr.cpu.0"]


def test_a_task_sent_by_stock_send_task_runs(stack: Stack, producer: Celery) -> None:
    sent = producer.send_task("athena.run", args=[example("echo")], queue=QUEUE)

    final = _final(stack, sent.id)
    assert final["job"]["state"] == "succeeded"
    assert final["payload"]["text"]["text"] == "aGVsbG8="


@pytest.mark.parametrize("priority", [0, 3, 6, 9])
def test_a_task_of_any_priority_runs_and_is_found_by_its_own_id(
    stack: Stack, producer: Celery, priority: int
) -> None:
    task_id = f"my-own.Id:{priority}-{time.time_ns()}"

    producer.send_task("athena.run", args=[example("echo")], queue=QUEUE, task_id=task_id, priority=priority)

    assert _final(stack, task_id)["job"]["state"] == "succeeded"


@pytest.mark.parametrize("serializer", ["yaml", "pickle"])
def test_a_task_that_is_not_json_is_refused_without_being_logged(
    stack: Stack, producer: Celery, serializer: str
) -> None:
    secret = f"secret-{time.time_ns()}"
    producer.conf.accept_content = ["json", serializer]

    sent = producer.send_task("athena.run", args=[secret], queue=QUEUE, serializer=serializer)

    final = _final(stack, sent.id)
    assert final["job"]["state"] == "failed"
    assert "only application/json is read here" in final["header"]["message"]
    assert secret not in stack.log


def test_a_compressed_task_runs(stack: Stack, producer: Celery) -> None:
    sent = producer.send_task("athena.run", args=[example("echo")], queue=QUEUE, compression="zlib")

    assert _final(stack, sent.id)["job"]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("options", "state", "text"),
    [
        ({"countdown": 60}, "failed", "eta and countdown are not supported"),
        ({"expires": 0.001}, "expired", "time to start has passed"),
        ({"link": Celery("x", set_as_current=False).signature("y")}, "failed", "links, chains"),
    ],
)
def test_what_is_not_supported_is_refused_clearly(
    stack: Stack, producer: Celery, options: dict[str, Any], state: str, text: str
) -> None:
    sent = producer.send_task("athena.run", args=[example("echo")], queue=QUEUE, **options)

    final = _final(stack, sent.id)
    assert final["job"]["state"] == state
    assert text in final["header"]["message"]


@pytest.mark.parametrize("arguments", [[], [{"header": {}}], [1], [{"v": 99}], ["a", "b"]])
def test_a_task_with_a_bad_argument_fails(stack: Stack, producer: Celery, arguments: list[Any]) -> None:
    sent = producer.send_task("athena.run", args=arguments, queue=QUEUE)

    final = _final(stack, sent.id)
    assert final["job"]["state"] == "failed"
    assert final["header"]["code"] == 10163


def test_a_task_of_another_name_fails(stack: Stack, producer: Celery) -> None:
    sent = producer.send_task("another.task", args=[example("echo")], queue=QUEUE)

    assert "there is no task 'another.task'" in _final(stack, sent.id)["header"]["message"]
    assert "aGVsbG8=" not in stack.log


def test_a_revoked_task_is_canceled(stack: Stack, producer: Celery) -> None:
    task_id = f"00000000-0000-4000-8000-{time.time_ns() % 10**12:012d}"
    producer.control.revoke(task_id, reply=True, timeout=5)

    producer.send_task("athena.run", args=[example("echo")], queue=QUEUE, task_id=task_id)

    assert _final(stack, task_id)["job"]["state"] == "canceled"


def _final(stack: Stack, job_id: str) -> Any:
    """Returns the job when it has ended; its record is made when a worker takes it."""

    def final() -> Any:
        answer = stack.get(f"/v1/jobs/{job_id}").json()
        job = answer.get("job", {})
        return answer if job.get("state") not in (None, "queued", "running") else None

    return wait_until(final, 30, f"job {job_id} ended")
