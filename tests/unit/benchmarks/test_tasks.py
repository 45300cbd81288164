import base64
import json

import pytest

from benchmarks.peers.work import WORKS, answer, decode
from benchmarks.tasks import batch_task, digits_task, noop_task, picture_task

TASKS = [noop_task(), batch_task(), picture_task(), digits_task()]


@pytest.mark.parametrize("task", TASKS, ids=[task.work for task in TASKS])
def test_the_peers_work_gives_the_answer_that_is_checked(task: object) -> None:
    from benchmarks.tasks import Task

    assert isinstance(task, Task)
    work = WORKS[task.work]
    source = json.loads(task.request)["payload"][work.source][work.kind]

    (output,) = work().run([decode(source)])

    assert work.target == task.target
    task.check(json.dumps(answer(work, output)).encode())
    task.check(json.dumps([answer(work, output)]).encode())


def test_a_wrong_answer_ends_the_run() -> None:
    task = noop_task()

    with pytest.raises(SystemExit, match="a wrong answer"):
        task.check(json.dumps({"payload": {"text": {"text": base64.b64encode(b"no").decode()}}}).encode())
    with pytest.raises(SystemExit, match="cannot be read"):
        task.check(b'{"errors": []}')


def test_the_small_request_has_1_kb() -> None:
    assert 1020 <= len(noop_task().request) <= 1024


def test_base64_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        decode("no base64!")
