"""Runs jobs on a wrapper: inputs in, one outcome for each job out."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

import orjson

from athena.ability.manifest import Ability
from athena.errors import (
    AthenaError,
    ConfigError,
    ExecTimeoutError,
    InternalError,
    OutputError,
    Problem,
)
from athena.jobs.intake import prepare_job
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.plain_text import with_causes
from athena.protocol.checks.schema import build_envelope_schema, validate_envelope
from athena.protocol.enums import EXCLUSIVE, JobState
from athena.protocol.envelope import OutputValue, new_job_id, render_outputs, render_warnings
from athena.protocol.golden import difference
from athena.protocol.interface import Interface
from athena.sdk import job
from athena.sdk.results import set_sink
from athena.telemetry.prints import end_printed_lines
from workers.batching.jobs import BatchJob
from workers.batching.outcomes import failure, unexpected
from workers.runtime.arguments import ArgumentReader, ReadPayload
from workers.runtime.async_results import AsyncResults
from workers.runtime.dispatcher import Dispatcher, OnceArguments
from workers.runtime.golden import read_golden
from workers.runtime.loader import declared_interface, load_wrapper
from workers.runtime.places import place_of, with_place
from workers.runtime.process.surroundings import Surroundings
from workers.runtime.recheck import Recheck
from workers.runtime.resources import Resources
from workers.runtime.retry_policy import RetryPolicy

logger = logging.getLogger(__name__)


class Inference:
    """An ability's wrapper in this process; loaded, used and released by the inference threads.

    Args:
        ability: what it is told to do.
        read_payload: fetches the inputs that lie beside a job's message.
        on_unbatched: called with the reason when batches are run no more.
    """

    def __init__(
        self,
        ability: Ability,
        read_payload: ReadPayload,
        on_unbatched: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._ability = ability
        self._read_payload = read_payload
        self._on_unbatched = on_unbatched
        #: The instance of `Wrapper`, or the module of functions; there once it is imported.
        self.wrapper: Any = None
        self._dispatcher: Dispatcher | None = None
        self._interface: Interface | None = None
        self._reader: ArgumentReader | None = None
        self._resources: Resources | None = None
        self._surroundings: Surroundings | None = None
        self._retry = RetryPolicy(ability.retry)
        self._golden: dict[str, Any] | None = None

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
        self.import_wrapper()
        self.init()
        try:
            self.answer_example()
            self.restore()
        except ConfigError:
            self.unload()
            raise

    def import_wrapper(self) -> None:
        """Imports the wrapper and reads what it declares.

        Raises:
            ConfigError: that failed.
        """
        try:
            self.wrapper = wrapper = load_wrapper(self._ability)
            self._interface = declared_interface(self._ability, wrapper)
            # Whatever cannot be written as JSON is found here, where the message can name the file.
            self._interface.encode()
            self._reader = ArgumentReader(
                Recheck(self._interface), self._read_payload, self._ability.limits.max_input_bytes
            )
            self._golden = read_golden(self._ability.golden_path)
            results = AsyncResults(self._ability.limits.max_exec_s)
            types = self._interface.output_types
            self._dispatcher = Dispatcher(wrapper, types, results, self._on_unbatched)
        except ConfigError:
            raise
        except BaseException as error:
            text = f"{self._ability.wrapper_path} cannot be loaded: {with_causes(error)}"
            raise ConfigError(with_place(text, error, str(self._ability.path))) from error
        set_sink(results.deliver)

    def init(self) -> None:
        """Runs wrapperInit.

        Raises:
            ConfigError: it failed; then there is nothing to unload.
        """
        dispatcher = self.dispatcher
        try:
            dispatcher.init(self._ability.config)
        except ConfigError:
            self._dispatcher = None
            raise
        self._resources = Resources(
            dispatcher.load_resource,
            dispatcher.unload_resource,
            self._ability.path / self._ability.resources.dir,
            self._ability.resources.max_loaded,
        )
        self._surroundings = Surroundings()

    def restore(self) -> list[str]:
        """Puts back what a call has changed and all calls share; returns what that was."""
        try:
            return self._surroundings.restore() if self._surroundings is not None else []
        except Exception:
            # Raised, it would end the inference thread.
            logger.exception("what a call has changed cannot be put back")
            return []

    def unload(self) -> None:
        """Runs wrapperUnloadRes for each resource, and wrapperFini."""
        if self._resources is not None:
            self._resources.close()
        if self._dispatcher is not None:
            self._dispatcher.fini()
        if self._surroundings is not None:
            self._surroundings.close()
            self._surroundings = None

    def batch_key(self, message: JobMessage) -> object:
        """Returns what jobs must have in common to share a call; None for a job that gets one of its own."""
        # wrapperBatchExec has no place for a resource.
        if not self.dispatcher.runs_batches or self._wants_resource(message):
            return None
        if message.params.get("application_mode") == EXCLUSIVE:
            return None
        # A call has one time limit.
        return message.max_exec_s

    def run(self, batch: list[BatchJob]) -> list[Outcome]:
        """Runs jobs in one call and returns an outcome for each; one that fails fails alone.

        What it raises all the same, because a wrapper's objects do odd things, fails the whole call.
        """
        with job.running(batch):
            try:
                if len(batch) == 1:
                    return [self._run_alone(batch[0])]
                return self._run_together(batch)
            finally:
                # While it is known whose words they are.
                end_printed_lines()

    @property
    def dispatcher(self) -> Dispatcher:
        """What calls the wrapper; there once it is imported."""
        assert self._dispatcher is not None
        return self._dispatcher

    def prepare(self, item: BatchJob) -> int:
        """Fetches and decodes the inputs of a job before its call; returns how many bytes these are."""
        return 0 if self._wants_resource(item.message) else self._arguments.prepare(item)

    def run_one(self, message: JobMessage) -> Outcome:
        """Runs one job, which is never tried again."""
        return self._run_alone(BatchJob(message.job_id, message))

    def _run_alone(self, item: BatchJob) -> Outcome:
        timer = self._timer(1)
        try:
            outputs, warnings = self._call(item)
            return timer.succeeded(outputs, item.message, warnings)
        except AthenaError as error:
            error.place = error.place or place_of(error, self.dispatcher.folder)
            return timer.failed(error, item.attempt)
        except BaseException:
            return timer.failed(_unexpected(item.message))

    def _call(self, item: BatchJob) -> tuple[list[OutputValue], tuple[Problem, ...]]:
        """Calls the wrapper with one job; returns its outputs, and warnings about its inputs."""
        message = item.message
        if not self._wants_resource(message):
            arguments = self._arguments.take(item)
            return self.dispatcher.once(arguments), arguments.warnings
        assert self._resources is not None
        with self._resources.use(message.resource_id) as resource:
            arguments = self._arguments.read(message, resource)
            return self.dispatcher.once(arguments), arguments.warnings

    def _run_together(self, batch: list[BatchJob]) -> list[Outcome]:
        """Runs jobs in one call; one that cannot even be put into it does not keep the others from it."""
        timer = self._timer(len(batch))
        outcomes: dict[str, Outcome] = {}
        ready: list[BatchJob] = []
        arguments: list[OnceArguments] = []
        for item in batch:
            try:
                arguments.append(self._arguments.take(item))
                ready.append(item)
            except AthenaError as error:
                outcomes[item.job_id] = timer.failed(error)
            except BaseException:
                outcomes[item.job_id] = timer.failed(_unexpected(item.message))
        answers = self.dispatcher.batch(arguments) if arguments else []
        for item, given, answer in zip(ready, arguments, answers, strict=True):
            try:
                outcomes[item.job_id] = (
                    timer.failed(answer, item.attempt)
                    if isinstance(answer, AthenaError)
                    else timer.succeeded(answer, item.message, given.warnings)
                )
            except BaseException:
                outcomes[item.job_id] = timer.failed(_unexpected(item.message))
        return [outcomes[item.job_id] for item in batch]

    @property
    def _arguments(self) -> ArgumentReader:
        assert self._reader is not None
        return self._reader

    def _timer(self, batch_size: int) -> "_Timer":
        return _Timer(batch_size, self._ability.limits.max_output_bytes, self._retry)

    def _wants_resource(self, message: JobMessage) -> bool:
        return bool(message.resource_id) and self.dispatcher.has_resources

    def answer_example(self) -> None:
        """Runs the ability's example, if it has one.

        Raises:
            ConfigError: it is not valid, was not answered, or its answer is not the golden one.
        """
        example = self.interface.example
        if example is None:
            return
        try:
            message = self.message_of(new_job_id(), example)
        except AthenaError as error:
            raise ConfigError(f"{self._ability.example_path}: {error.summary}") from None
        outcome = self.run_one(message)
        if outcome.state is not JobState.SUCCEEDED:
            place = f" ({outcome.place})" if outcome.place else ""
            raise ConfigError(
                f"the example of {self._ability.service_id} was not answered: {outcome.message}{place}"
            )
        place = self.wrong_place(outcome)
        if place:
            raise ConfigError(
                f"the answer to the example of {self._ability.service_id} is not that of "
                f"{self._ability.golden_path} at {place}; mend the one or the other, or take the file away"
            )

    def wrong_place(self, outcome: Outcome) -> str:
        """Returns where an answer to the example is not the golden one; "" where they agree."""
        return difference(self._golden, orjson.loads(outcome.payload)) if self._golden else ""

    @property
    def has_example(self) -> bool:
        """Whether `check` can tell a sound process from a broken one."""
        return self.interface.example is not None

    def check(self, symptom: str = "") -> str:
        """Runs the example, and returns why this process is broken; "" if it is not.

        Without an example, a symptom is believed: what a call said that is known to stay.
        """
        if not self.has_example:
            return symptom
        try:
            self.answer_example()
        except ConfigError as error:
            return f"{symptom}; {error.message}" if symptom else error.message
        self.restore()
        return ""

    def take_symptom(self) -> str:
        """Returns what a call has said that is known to stay, and forgets it."""
        symptom, self.dispatcher.symptom = self.dispatcher.symptom, ""
        return symptom

    def message_of(self, job_id: str, envelope: object) -> JobMessage:
        """Returns the queue message of a request that did not come through a gateway.

        Raises:
            RequestError: it does not fit the schema.
        """
        checked = validate_envelope(build_envelope_schema(self.interface), envelope)
        # Inputs of any size stay in the message: nobody has laid them beside it.
        message, _ = prepare_job(job_id, self.interface, checked, sys.maxsize)
        return message


def _unexpected(message: JobMessage) -> InternalError:
    """Logs the exception that is being handled and returns what the caller is told of it."""
    logger.exception("job %s failed", message.job_id)
    return unexpected()


class _Timer:
    """Makes the outcomes of the jobs of one inference call."""

    def __init__(self, batch_size: int, limit_bytes: int, retry: RetryPolicy) -> None:
        self._batch_size = batch_size
        self._limit_bytes = limit_bytes
        self._retry = retry
        self._started_s = time.monotonic()

    def succeeded(
        self, outputs: list[OutputValue], message: JobMessage, warnings: tuple[Problem, ...]
    ) -> Outcome:
        size_bytes = sum(len(output.data) for output in outputs)
        if size_bytes > self._limit_bytes:
            # Rendered it would be larger still, and Redis would have to hold it.
            return self.failed(
                OutputError(
                    f"the answer has {size_bytes} bytes, more than limits.max_output_bytes allows "
                    f"({self._limit_bytes})"
                )
            )
        payload, odd = render_outputs(message.service_id, outputs, message.expected)
        return Outcome(
            JobState.SUCCEEDED,
            payload,
            message=render_warnings((*warnings, *odd)),
            exec_ms=self._elapsed_ms,
            batch_size=self._batch_size,
        )

    def failed(self, error: AthenaError, attempt: int = 0) -> Outcome:
        state = JobState.TIMED_OUT if isinstance(error, ExecTimeoutError) else JobState.FAILED
        outcome = failure(state, error, self._batch_size, self._elapsed_ms)
        if state is not JobState.FAILED:
            return outcome
        return outcome._replace(retry_after_s=self._retry.delay_s(error, attempt))

    @property
    def _elapsed_ms(self) -> float:
        return round((time.monotonic() - self._started_s) * 1000, 3)
