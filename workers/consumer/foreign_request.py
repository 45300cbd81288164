"""Celery's request object for tasks that other Celery clients sent; ours have `task_events`."""

import time
from typing import Any

from celery.worker.request import Request

from athena.jobs.celery_message import TASK_NAME
from workers.consumer.worker_app import WorkerApp


class ForeignRequest(Request):
    """A task named after its ability, shown without its data, with events that Flower can bear."""

    name: str
    _app: WorkerApp

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._is_shown: bool | None = None
        if self.name == TASK_NAME:
            self.name = self._app.session.entry.service_id
        # The caller's data is quoted in these.
        self._argsrepr = "(sent by send_task)"
        self._kwargsrepr = "{}"

    def send_event(self, type: str, **fields: Any) -> None:
        """Sends an event to Flower, after the one that introduces the task."""
        eventer = self._eventer
        if not (eventer and eventer.enabled):
            return
        if self._is_shown is None:
            self._is_shown = self._app.event_budget.admits(time.monotonic())
            if self._is_shown:
                self._introduce()
        if self._is_shown:
            eventer.send(type, uuid=self.id, **fields)

    def maybe_expire(self) -> bool | None:
        """Tells the session apart what expired and what was revoked."""
        expired: bool | None = super().maybe_expire()
        if expired:
            self._app.session.on_expired(self.id)
        return expired

    def _introduce(self) -> None:
        self._eventer.send(
            "task-received",
            uuid=self.id,
            name=self.name,
            args=self._argsrepr,
            kwargs=self._kwargsrepr,
            root_id=self.id,
            parent_id=None,
            retries=0,
            eta=None,
            expires=None,
        )
