"""Runs jobs on a wrapper: inputs in, one outcome for each job out."""

import logging
import sys
import time
from collections.abc import Callable

from athena.ability import Ability
from athena.errors import AthenaError, ConfigError, InternalError
from athena.intake import prepare_job
from athena.interface import Interface
from athena.jobs import JobMessage, JobState, Outcome, input_bytes
from athena.protocol import new_job_id, render_payload
from athena.schema import build_envelope_schema, validate_envelope
from athena.sdk.data import DataListCls, DataListNode
from workers.batcher import BatchJob
from workers.dispatcher import Dispatcher
from workers.loader import declared_interface, load_wrapper

logger = logging.getLogger(__name__)

#: Fetches the inputs that lie beside a job's message.
ReadPayload = Callable[[str], bytes | None]


class Inference:
    """An ability's wrapper in this process; loaded, used and released by the inference threads."""

    def __init__(self, ability: Ability, read_payload: ReadPayload) -> None:
        self._ability = ability
        self._read_payload = read_payload
        self._dispatcher: Dispatcher | None = None
        self._interface: Interface | None = None

    @property
    def interface(self) -> Interface:
        """What the ability accepts and answers; there once `load` has run."""
        assert self._interface is not None
        return self._interface

    def load(self) -> None:
        """Imports the wrapper, runs wrapperInit and answers the example.

        Raises:
            ConfigError: one of them failed; the message says which and why, in one line.
        """
        try:
            wrapper = load_wrapper(self._ability)
            self._interface = declared_interface(self._ability, wrapper)
            outputs = {spec.key: spec.type for spec in self._interface.outputs}
            dispatcher = Dispatcher(wrapper, outputs)
        except ConfigError:
            raise
        except BaseException as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"{self._ability.wrapper_path} cannot be loaded: {text}") from error
        dispatcher.init(self._ability.config)
        self._dispatcher = dispatcher
        self._answer_example()

    def unload(self) -> None:
        """Runs wrapperFini."""
        if self._dispatcher is not None:
            self._dispatcher.fini()

    def run(self, batch: list[BatchJob]) -> list[Outcome]:
        """Runs jobs one after the other and returns an outcome for each; one that fails fails alone."""
        return [self._run_one(job.message, len(batch)) for job in batch]

    def _run_one(self, message: JobMessage, batch_size: int) -> Outcome:
        started_s = time.monotonic()
        try:
            payload = self._execute(message)
        except AthenaError as error:
            return self._failed(error, started_s, batch_size)
        except Exception:
            logger.exception("job %s failed", message.job_id)
            unexpected = InternalError("unexpected error; the worker's log holds the details")
            return self._failed(unexpected, started_s, batch_size)
        return Outcome(JobState.SUCCEEDED, payload, exec_ms=_elapsed_ms(started_s), batch_size=batch_size)

    def _failed(self, error: AthenaError, started_s: float, batch_size: int) -> Outcome:
        return Outcome(
            JobState.FAILED,
            code=error.code,
            message=error.message,
            exec_ms=_elapsed_ms(started_s),
            batch_size=batch_size,
        )

    def _execute(self, message: JobMessage) -> bytes:
        assert self._dispatcher is not None
        beside = self._read_payload(message.job_id) if message.claim else None
        params = {**message.params, "sid": message.job_id}
        outputs = self._dispatcher.once(params, _nodes(message, beside), message.job_id)
        return render_payload(outputs, message.expected)

    def _answer_example(self) -> None:
        example = self.interface.example
        if example is None:
            return
        try:
            message = self.message_of(new_job_id(), example)
        except AthenaError as error:
            raise ConfigError(f"{self._ability.example_path}: {describe(error)}") from None
        outcome = self._run_one(message, 1)
        if outcome.state is not JobState.SUCCEEDED:
            raise ConfigError(
                f"the example of {self._ability.service_id} was not answered: {outcome.message}"
            )

    def message_of(self, job_id: str, envelope: object) -> JobMessage:
        """Returns the queue message of a request that did not come through a gateway.

        Raises:
            RequestError: it does not fit the schema.
        """
        checked = validate_envelope(build_envelope_schema(self.interface), envelope)
        message, _ = prepare_job(job_id, self.interface, checked, sys.maxsize)
        return message


def describe(error: AthenaError) -> str:
    """Returns an error and its first problem in one line."""
    if not error.problems:
        return error.message
    return f"{error.message}: {error.problems[0].pointer or '/'} {error.problems[0].detail}"


def _nodes(message: JobMessage, beside: bytes | None) -> DataListCls:
    data = input_bytes(message, beside)
    return DataListCls(
        [
            DataListNode(item.key, bytes_, item.type, item.status, item.attributes)
            for item, bytes_ in zip(message.inputs, data, strict=True)
        ]
    )


def _elapsed_ms(started_s: float) -> float:
    return round((time.monotonic() - started_s) * 1000, 3)
