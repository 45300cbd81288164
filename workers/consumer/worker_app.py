"""Celery's application in a worker process, with what Celery's parts there need of ours."""

from typing import Any

from workers.celery_app import AthenaApp
from workers.consumer.event_budget import EventBudget
from workers.consumer.loop_calls import LoopCalls
from workers.consumer.signal_bell import SignalBell
from workers.lease.session import WorkerSession


class WorkerApp(AthenaApp):
    """The application that pool, consumer and requests find as their `app`.

    Attributes:
        session: the jobs of this process.
        grace_s: how long calls may go on when it ends.
        event_budget: how many jobs a second Flower is shown.
        calls: what other threads want Celery's to do.
        signal_bell: gives the loop a turn when a signal comes; None without one.
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
        self.signal_bell: SignalBell | None = None
        super().__init__(**config)
