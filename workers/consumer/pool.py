"""The Celery pool that hands tasks to the inference threads."""

import logging
import time
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.concurrency.base import BasePool
from celery.worker import state
from kombu.serialization import loads

from athena.errors import RequestError
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from workers.consumer.worker_app import WorkerApp
from workers.lease.session import WorkerSession

logger = logging.getLogger(__name__)


class JobFailed(Exception):
    """How a failed job is shown to Celery and Flower."""


class BatchPool(BasePool):
    """Celery's view of the batcher, for tasks that other Celery clients sent.

    Tasks run in batches on the session's own threads; Celery's tracer, which runs one task at a time, is
    not used.
    """

    # Shutdown waits for the running batch, which a signal handler must not.
    signal_safe = False

    app: WorkerApp

    @property
    def _session(self) -> WorkerSession:
        return self.app.session

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> None:
        """Takes a task over from Celery."""
        _, job_id, request, body, content_type, content_encoding = args

        is_accepted = False

        def tell_accepted() -> None:
            nonlocal is_accepted
            if not is_accepted:
                is_accepted = True
                accept_callback(None, time.monotonic())

        def tell_ended(outcome: Outcome) -> None:
            # Most jobs end unannounced, and Celery counts a task when it is accepted, not when it ends.
            tell_accepted()
            callback(_result(outcome))

        # Redis may have heard it from an inference thread.
        calls = self.app.calls

        def on_accepted() -> None:
            calls.do(tell_accepted)

        def on_ended(outcome: Outcome) -> None:
            calls.do(tell_ended, outcome)

        try:
            _check_canvas(body, content_type, content_encoding)
            argument = _single_argument(request)
        except RequestError as error:
            self._session.refuse(job_id, error)
            return
        self._session.accept(job_id, argument, on_accepted, on_ended)

    def terminate_job(self, pid: Any, signal: Any = None) -> None:
        """Celery's revoke with terminate: a call into a wrapper cannot be ended alone, so it goes on."""
        logger.warning("a job that runs cannot be terminated; it goes on to its end or its time limit")

    def register_with_event_loop(self, loop: Any) -> None:
        """Called with each new connection: the loop has let go of what it watched."""
        if self.app.signal_bell is not None:
            self.app.signal_bell.watch(loop)

    def on_stop(self) -> None:
        """Finishes what runs, returns the rest."""
        # A cold shutdown calls this from a signal handler, perhaps in the middle of an exchange; the loop
        # ends next, and terminates this pool itself.
        if not state.should_terminate:
            self._drain(self.app.grace_s)

    def on_terminate(self) -> None:
        """Returns what does not run; a second signal ends the process."""
        self._drain(0)

    def _drain(self, grace_s: float) -> None:
        # The loop has no turn any more in which it would tell what threads have left to it.
        self.app.calls.run()
        self._session.drain(grace_s)

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "free-slots": self._session.free_slots}


def _single_argument(request: dict[str, Any]) -> Any:
    args, kwargs = request["args"], request["kwargs"]
    if len(args) != 1 or kwargs:
        raise RequestError("the task takes one argument, the request envelope")
    return args[0]


def _check_canvas(body: Any, content_type: str | None, content_encoding: str | None) -> None:
    """Refuses what Celery's canvas asks for and this pool does not do, instead of ignoring it."""
    # Celery passes a body that it has decoded already without its type.
    if content_type is not None:
        body = loads(body, content_type, content_encoding, accept=["application/json"])
    embed = body[2] or {}
    asked = [name for name in ("callbacks", "errbacks", "chain", "chord") if embed.get(name)]
    if asked:
        raise RequestError(f"links, chains and chords are not supported: {', '.join(asked)}")


def _result(outcome: Outcome) -> tuple[bool, Any, float]:
    """Returns what Celery's callback expects: (failed, result or exception, runtime in seconds)."""
    runtime_s = outcome.exec_ms / 1000
    if outcome.state is JobState.SUCCEEDED:
        return False, f"{len(outcome.payload)} bytes", runtime_s
    try:
        # Raised, because `ExceptionInfo` is made of the exception that is being handled.
        raise JobFailed(f"{outcome.code}: {outcome.message}")
    except JobFailed as error:
        failure = ExceptionInfo()
        failure.exception = error
        return True, failure, runtime_s
