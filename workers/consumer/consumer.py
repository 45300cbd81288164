"""Celery's consumer, back within a second after Redis is."""

import logging
import time
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from redis.exceptions import NoPermissionError, ResponseError

from athena.errors import RequestError
from athena.plain_text import one_line
from workers.consumer.worker_app import WorkerApp

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 0.2
RETRY_STEP_S = 0.2
LAST_RETRY_S = 1.0

#: Events are gathered for so long; Celery sends what a single turn of the loop has gathered.
GATHER_EVENTS_S = 0.25


class JobConsumer(Consumer):
    """Reconnects quickly and for ever; kombu waits 2, 4 … 30 s and gives up after 100 tries."""

    app: WorkerApp
    _flush_is_due = False

    def ensure_connected(self, conn: Any) -> Any:
        """Returns the connection once it is there."""
        conn.ensure_connection(
            self._on_retry,
            max_retries=None,
            interval_start=FIRST_RETRY_S,
            interval_step=RETRY_STEP_S,
            interval_max=LAST_RETRY_S,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return conn

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Makes a new connection, a moment later if Redis has refused a command of Celery's tools.

        Raises:
            NoPermissionError: the user in the address may not do what Celery does; that stays so.
        """
        if isinstance(exc, NoPermissionError):
            raise exc
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, ResponseError):
            time.sleep(LAST_RETRY_S)

    def on_close(self) -> None:
        """Celery forgets the tasks that it has not started: its connection is lost, or it stops.

        One that stops still has its connection, and its wait for bells goes on until its session ends it.
        """
        super().on_close()
        if self.connection is None:
            self.app.session.on_connection_lost()

    def on_send_event_buffered(self) -> None:
        """Sees to it that the events of a quarter of a second are sent as one message."""
        if self.hub and not self._flush_is_due:
            self._flush_is_due = True
            self.hub.call_later(GATHER_EVENTS_S, self._flush_gathered)

    def _flush_gathered(self) -> None:
        self._flush_is_due = False
        self._flush_events()

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Ends a job whose body cannot be read; Celery itself would log that body, which is the caller's."""
        error = RequestError(f"the body of the message cannot be read: {one_line(exc)}")
        self.app.session.refuse(message.headers["id"], error)
        logger.warning("job %s: %s", message.headers["id"], error.message)
        message.ack()

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Ends a job that is no task; Celery itself would log its body, which is the caller's."""
        logger.warning("job %s is no task that can be run: %s", message.headers["id"], type(exc).__name__)
        message.reject_log_error(logger, self.connection_errors)

    def _on_retry(self, error: Exception, interval_s: float) -> None:
        self.on_connection_error_before_connected(error)
