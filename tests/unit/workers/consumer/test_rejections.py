"""What becomes of a task that Celery does not take."""

from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from workers.consumer.transport import JobQoS


@pytest.mark.parametrize(("requeue", "called"), [(True, "hand_back"), (False, "refuse")])
def test_task_that_is_to_go_back_goes_back_and_another_one_fails(requeue: bool, called: str) -> None:
    session = Mock()
    qos = JobQoS.__new__(JobQoS)
    qos.channel, qos._job_ids = SimpleNamespace(session=session), {"tag": "j1"}

    qos.reject("tag", requeue=requeue)

    assert [call[0] for call in session.method_calls] == [called]
    assert session.method_calls[0].args[0] == "j1"
