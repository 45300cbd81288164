"""Celery's application in a worker process, with what Celery's parts there need of ours."""

from typing import Any

from workers.celery_app import AthenaApp
from workers.consumer.event_budget import EventBudget
from workers.consumer.loop_calls import LoopCalls
from workers.lease.session import WorkerSession


class WorkerApp(AthenaApp):
    """The application that pool, consumer and requests find as their `app`.

    Attributes:
        session: the jobs of this process.
        grace_s: how long calls may go on when it ends.
        event_budget: how many jobs a second Flower is shown.
        calls: what other threads want Celery's to do.
    """

    def __init__(
        self,
        session: WorkerSession,
        grace_s: float,
        event_budget: EventBudget,
        calls: LoopCalls,
        **config: Any,
    ) -> None:
        self.session = session
        self.grace_s = grace_s
        self.event_budget = event_budget
        self.calls = calls
        super().__init__(**config)
