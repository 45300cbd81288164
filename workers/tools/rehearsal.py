"""Loads an ability, answers requests and releases it again, step by step, as a worker would."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from athena.ability.declaration import declared_fields
from athena.ability.manifest import Ability
from athena.jobs.record import Outcome
from athena.protocol.envelope import new_job_id
from athena.protocol.uploads import Upload, build_envelope
from athena.sdk import device
from athena.sdk.data import Response
from athena.sdk.fields import ParamField, PayloadField
from athena.sdk.local_run import as_text, test_data
from athena.settings import from_env
from workers.runtime.inference import Inference
from workers.runtime.sessions.share import SessionShare, model_folder
from workers.tools.memory import resident_bytes

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What a step has cost: seconds, and by how many bytes the process has grown."""

    seconds: float
    grown_bytes: int


def measure(step: Callable[[], T]) -> tuple[T, Measured]:
    """Runs a step; returns its result and its cost."""
    before_bytes, started_s = resident_bytes(), time.monotonic()
    result = step()
    return result, Measured(time.monotonic() - started_s, resident_bytes() - before_bytes)


def take_share(ability: Ability, threads: int) -> SessionShare:
    """Gives this process what a worker of an ability would have; returns what notes its ONNX sessions."""
    settings = from_env(os.environ)
    folder = model_folder(settings.cache_dir, ability.worker.cpu_workers)
    device.assign(device.Device(threads=threads, model_folder=folder))
    share = SessionShare(settings.share_sessions)
    share.install()
    return share


class Rehearsal:
    """One ability in this process, without queue and gateway."""

    def __init__(self, ability: Ability) -> None:
        self._ability = ability
        self.inference = Inference(ability, _no_payload)
        #: What the wrapper returned for the last request, if that was a `Response`.
        self.last_response: Response | None = None
        #: What calls have changed that all calls share, in their order.
        self.changed: dict[str, None] = {}

    def load(self) -> None:
        """Imports the wrapper, and notes what it returns from now on."""
        self.inference.import_wrapper()
        dispatcher = self.inference.dispatcher
        call = dispatcher.once_call

        def noting(*arguments: Any) -> Any:
            response = call(*arguments)
            self.last_response = response if isinstance(response, Response) else None
            return response

        dispatcher.once_call = noting

    def answer(self, envelope: Any) -> Outcome:
        """Answers a request.

        Raises:
            RequestError: it is not valid.
        """
        outcome = self.inference.run_one(self.inference.message_of(new_job_id(), envelope))
        self.changed.update(dict.fromkeys(self.inference.restore()))
        return outcome

    def example(self) -> dict[str, Any] | None:
        """Returns the ability's example, or a request made of the test data of its fields; None without both.

        Relative paths of test data are looked up in the ability's folder, which is the working directory.
        """
        interface = self.inference.interface
        if interface.example is not None:
            return interface.example
        fields = declared_fields(getattr(self.inference.wrapper, "requestCls", None))
        uploads = [Upload(item.key, test_data(item)) for item in fields if isinstance(item, PayloadField)]
        if not any(upload.data for upload in uploads):
            return None
        given = [(item, as_text(item.value)) for item in fields if isinstance(item, ParamField)]
        params = [(f"parameter.{item.key}", value) for item, value in given if value or item.required]
        return build_envelope(interface, [("header.app_id", "test"), *params], uploads)


def _no_payload(job_id: str) -> bytes | None:
    return None
