"""Celery's loop, in which a worker's session has its turns."""

from collections.abc import Callable
from typing import Any

from celery import signals
from celery.platforms import EX_FAILURE
from celery.worker import state

from athena.fleet.launch import EX_LOOP_FAILED
from athena.jobs.celery_message import TASK_NAME
from athena.settings import Settings
from athena.store.address import RedisAddress
from athena.store.link import BlockingLink
from athena.store.scripts import SCRIPTS
from workers.consumer.event_budget import EventBudget
from workers.consumer.led_jobs import LedJobs
from workers.consumer.loop_calls import LoopCalls
from workers.consumer.signal_bell import SignalBell
from workers.consumer.task_events import TaskBoard
from workers.consumer.transport import register_transport, worker_broker_url
from workers.consumer.worker_app import WorkerApp
from workers.lease.lead import WAIT_S
from workers.lease.session import WorkerSession


class CeleryLoop:
    """Celery's worker in this process; there is one loop, and it runs once.

    Args:
        address: where Redis is.
        settings: those of this process.
        on_ready: called when it takes jobs.
    """

    def __init__(self, address: RedisAddress, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._address = address
        self._settings = settings
        self._on_ready = on_ready
        #: Celery's `WorkController`; None until the loop runs.
        self._worker: Any = None

    def run(self, session: WorkerSession) -> int:
        """Gives a session its turns until SIGTERM; returns the exit status."""
        settings = self._settings
        budget = EventBudget(settings.flower_jobs_per_s)
        calls = LoopCalls(self.wake)
        app = make_app(session, settings.grace_s, budget, calls, worker_broker_url(self._address))
        app.signal_bell = SignalBell()
        board = TaskBoard(session.entry, app.tasks[TASK_NAME], budget, self._event_dispatcher, calls)
        led_jobs = LedJobs(session, board, self.wake)
        register_transport(session, board, calls, led_jobs, self._address, settings.redis_timeout_s)
        ear = BlockingLink(self._address, WAIT_S + settings.redis_timeout_s, SCRIPTS)
        session.let_lead(ear, led_jobs.deliver)
        signals.setup_logging.connect(_keep_logging)
        signals.worker_ready.connect(self._on_worker_ready)
        self._worker = app.Worker(
            hostname=session.entry.name,
            queues=session.demand.queues,
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            loglevel=settings.log_level,
        )
        self._worker.start()
        # `start` raises nothing: it logs what ended the loop, and leaves this status.
        if self._worker.exitcode == EX_FAILURE and not state.should_stop:
            return EX_LOOP_FAILED
        return int(self._worker.exitcode or 0)

    def wake(self) -> None:
        """Gives the session its turn, from any thread; the first one comes by itself."""
        if self._worker is not None:
            self._worker.hub.call_soon(_nothing)

    def _event_dispatcher(self) -> Any:
        """Returns Celery's, which it makes anew with each connection; None without one."""
        return self._worker.consumer.event_dispatcher

    def _on_worker_ready(self, **_: object) -> None:
        self._on_ready()


def make_app(
    session: WorkerSession, grace_s: float, budget: EventBudget, calls: LoopCalls, broker_url: str
) -> WorkerApp:
    """Returns Celery's application with our parts in place of its own."""
    return WorkerApp(
        session,
        grace_s,
        budget,
        calls,
        request="workers.consumer.foreign_request:ForeignRequest",
        broker_url=broker_url,
        worker_pool="workers.consumer.pool:BatchPool",
        worker_consumer="workers.consumer.consumer:JobConsumer",
        worker_concurrency=session.entry.slots,
        task_create_missing_queues=True,
    )


def _keep_logging(**_: object) -> None:
    """Connected to Celery's signal so that it leaves our log handlers alone."""


def _nothing() -> None:
    """A callback whose only purpose is to wake the loop."""
