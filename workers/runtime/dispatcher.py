"""Calls a wrapper's methods and turns whatever comes of it into outputs or an error."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from athena.errors import AthenaError, ConfigError, OutputError, Problem, RequestError, WrapperError
from athena.plain_text import class_name, one_line, plain_line, text_of, with_causes
from athena.protocol.envelope import DATA_FIELDS, STATUS_ONCE, OutputValue
from athena.sdk.data import DataListCls, Response, as_bytes
from athena.sdk.errors import InputError
from workers.runtime.async_results import AsyncResults
from workers.runtime.batch_trust import BatchFault, BatchTrust
from workers.runtime.binding import Binding
from workers.runtime.event_loops import called_plainly
from workers.runtime.once_call import EXEC_FAILED, make_once_call, own_method
from workers.runtime.places import folder_of, place_of, with_place
from workers.runtime.process.forks import end_fork
from workers.runtime.retry_policy import kinds_of
from workers.runtime.streams import Stream, StreamMethods
from workers.runtime.symptoms import symptom_in, symptom_of

logger = logging.getLogger(__name__)

INIT_RAISED = 30001
INIT_FAILED = 30002
EXEC_RETURNED_NOTHING = 30003

#: How long an asynchronous result is waited for where no limit is given.
DEFAULT_LIMIT_S = 60.0


class OnceArguments(NamedTuple):
    """What one job hands to a wrapper.

    Attributes:
        resource: 0 without a personalised one.
        warnings: what is odd about the inputs; for the caller, not for the wrapper.
    """

    params: dict[str, str]
    inputs: DataListCls
    job_id: str
    resource: Any = 0
    warnings: tuple[Problem, ...] = ()


#: What came of one job of a batch.
BatchItem = list[OutputValue] | AthenaError


class Dispatcher:
    """One wrapper; its signatures are looked at once, when it is loaded.

    Args:
        wrapper: an instance of `Wrapper`, or a module with the functions of the first generation.
        outputs: output key -> data type number, as declared; empty when nothing is declared.
        results: where results of `wrapperOnceExecAsync` arrive.
        on_unbatched: called with the reason when batches are run no more (see `BatchTrust`).

    Raises:
        ConfigError: a method wants an argument that no SDK version passes.
    """

    def __init__(
        self,
        wrapper: Any,
        outputs: dict[str, int],
        results: AsyncResults | None = None,
        on_unbatched: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._wrapper = wrapper
        self._outputs = outputs
        #: Where the wrapper's source lies.
        self.folder = folder_of(wrapper)
        #: What a call has said last that is known to stay, and keeps every later one from an answer.
        self.symptom = ""
        results = results or AsyncResults(DEFAULT_LIMIT_S)
        self.once_call = make_once_call(wrapper, results, self.error_text)
        self._streams = StreamMethods(wrapper, results, self.read_part, self.error_text)
        self.trust = BatchTrust(on_unbatched)
        self._batch_call = _bind(wrapper, "wrapperBatchExec", ("params_list", "inputs_list"))
        self._load_resource = _bind(wrapper, "wrapperLoadRes", ("inputs", "resource_name"))
        self._unload_resource = _bind(wrapper, "wrapperUnloadRes", ("resource_name",))

    @property
    def runs_batches(self) -> bool:
        """Whether the wrapper has a batch method of its own that can be relied on."""
        return self._batch_call is not None and not self.trust.reason

    @property
    def has_resources(self) -> bool:
        """Whether the wrapper takes personalised resources."""
        return self._load_resource is not None

    def init(self, config: dict[str, str]) -> None:
        """Runs wrapperInit.

        Raises:
            ConfigError: it raised or returned an error code; the message says which, in one line.
        """
        init = getattr(self._wrapper, "wrapperInit", None)
        if init is None:
            return
        try:
            code = called_plainly(init)(config)
            if not code:
                return
        except BaseException as error:
            end_fork(error)
            # With its cause, whose traceback in the log shows the wrapper's own line.
            text = with_place(f"wrapperInit raised {with_causes(error)}", error, self.folder)
            raise ConfigError(text, code=INIT_RAISED) from error
        text = self.error_text(code)
        text = f"wrapperInit returned {text_of(code)}{': ' if text else ''}{text}"
        raise ConfigError(text, code=INIT_FAILED)

    def fini(self) -> None:
        """Runs wrapperFini; what it raises is only logged."""
        fini = own_method(self._wrapper, "wrapperFini")
        if fini is None:
            return
        try:
            fini()
        except BaseException:
            logger.exception("wrapperFini raised")

    def load_resource(self, inputs: DataListCls, name: Any) -> Any:
        """Runs wrapperLoadRes; its code."""
        return self._load_resource(inputs, name) if self._load_resource else 0

    def unload_resource(self, name: Any) -> Any:
        """Runs wrapperUnloadRes; its code."""
        return self._unload_resource(name) if self._unload_resource else 0

    def once(self, given: OnceArguments) -> list[OutputValue]:
        """Runs one job.

        Raises:
            AthenaError: the wrapper raised, or returned an error code, nothing, or something that does not
                fit its declaration.
        """
        try:
            response = self.once_call(given.params, given.inputs, given.job_id, given.resource)
        except AthenaError as error:
            self.symptom = symptom_in(error.message) or self.symptom
            raise
        except BaseException as error:
            # BaseException: sys.exit() in a wrapper must end its job, not the worker.
            end_fork(error)
            if issubclass(type(error), InputError):
                raise _refused(error) from None
            self.symptom = symptom_of(error) or self.symptom
            logger.exception("job %s: wrapperOnceExec raised", given.job_id)
            raise self._raised(error) from None
        return self.read_response(response, "wrapperOnceExec")

    def batch(self, jobs: Sequence[OnceArguments]) -> list[BatchItem]:
        """Runs jobs in one call of wrapperBatchExec.

        When the call as a whole fails, each job is run in a call of its own, so that one bad input does not
        fail its neighbours.
        """
        try:
            items = self._batch_items(jobs)
        except BaseException as error:
            end_fork(error)
            self.symptom = symptom_of(error) or self.symptom
            if len(jobs) > 1:
                return self._each_alone(jobs, error)
            # By its type: an odd exception may raise when it is asked for its `__class__`.
            if issubclass(type(error), AthenaError):
                return [cast(AthenaError, error)]
            if issubclass(type(error), InputError):
                return [_refused(error)]
            logger.exception("job %s: wrapperBatchExec raised", jobs[0].job_id)
            return [self._raised(error)]
        if len(jobs) > 1:
            self.trust.note_whole()
        return [self._read_item(response) for response in items]

    def _batch_items(self, jobs: Sequence[OnceArguments]) -> list[Any]:
        """Returns what wrapperBatchExec returned for each of the jobs.

        Raises:
            OutputError: it returned no list, or one of another length.
            Exception: whatever it raised.
        """
        assert self._batch_call is not None
        responses = self._batch_call([job.params for job in jobs], [job.inputs for job in jobs])
        items = list(responses) if isinstance(responses, list | tuple) else None
        if items is None or len(items) != len(jobs):
            returned = class_name(responses) if items is None else f"{len(items)} items"
            raise OutputError(
                f"wrapperBatchExec returned {returned} for {len(jobs)} jobs; "
                "it must return a list with one Response for each"
            )
        return items

    def _each_alone(self, jobs: Sequence[OnceArguments], error: BaseException) -> list[BatchItem]:
        # By its type, as above. No wrapper raises this one.
        has_miscounted = issubclass(type(error), OutputError)
        text = cast(OutputError, error).message if has_miscounted else one_line(error)
        logger.warning("a batch of %d failed (%s); running each alone", len(jobs), text)
        items = [item for job in jobs for item in self.batch([job])]
        fault = BatchFault.COUNT if has_miscounted else BatchFault.RAISED
        self.trust.note_failed(fault, text, not any(isinstance(item, AthenaError) for item in items))
        return items

    def open_stream(self, params: dict[str, str], sid: str, resource: Any = 0) -> Stream:
        """Begins a session (see `StreamMethods.open`)."""
        return self._streams.open(params, sid, resource)

    def read_part(self, response: Any, method: str) -> list[OutputValue]:
        """Returns the outputs of a part of a stream; each keeps its status."""
        outputs = self.read_response(response, method)
        return [
            output._replace(status=item.status)
            for output, item in zip(outputs, response.list or (), strict=True)
        ]

    def read_response(self, response: Any, method: str) -> list[OutputValue]:
        """Returns a response's outputs (see `once` for what it raises)."""
        try:
            return self._read_outputs(response, method)
        except AthenaError:
            raise
        except BaseException as error:
            # Looking at what a wrapper returned may run its code.
            logger.exception("what %s returned cannot be read", method)
            raise OutputError(f"{method} returned what cannot be read: {one_line(error)}") from None

    def _read_outputs(self, response: Any, method: str) -> list[OutputValue]:
        if response is None:
            raise WrapperError(f"{method} returned nothing", code=EXEC_RETURNED_NOTHING)
        if not isinstance(response, Response):
            raise OutputError(f"{method} returned {class_name(response)} instead of Response")
        if response.error_code:
            code = response.error_code
            text = f"{self.error_text(code)};code={text_of(code)}"
            self.symptom = symptom_in(text) or self.symptom
            raise WrapperError(text, code=EXEC_FAILED, kinds=frozenset({text_of(code)}))
        items = response.list or ()
        if not isinstance(items, list | tuple):
            raise OutputError(f"the list of the response is a {class_name(items)} instead of a list")
        outputs = [self._read_output(item) for item in items]
        keys = [output.key for output in outputs]
        if len(set(keys)) != len(keys):
            raise OutputError(f"the answer has an output twice: {', '.join(keys)}")
        return outputs

    def error_text(self, code: int) -> str:
        """Returns wrapperError's text for a code, as one line; "" when it has none."""
        describe = getattr(self._wrapper, "wrapperError", None)
        if describe is None:
            return ""
        try:
            return text_of(called_plainly(describe)(code) or "")
        except BaseException:
            logger.exception("wrapperError(%s) raised", text_of(code))
            return ""

    def _read_item(self, response: Any) -> BatchItem:
        if issubclass(type(response), InputError):
            return _refused(response)
        if issubclass(type(response), BaseException):
            self.symptom = symptom_of(response) or self.symptom
            return self._raised(response)
        try:
            return self.read_response(response, "wrapperBatchExec")
        except AthenaError as error:
            return error

    def _raised(self, error: BaseException) -> WrapperError:
        raised = WrapperError(one_line(error), code=EXEC_FAILED, kinds=kinds_of(error))
        raised.place = place_of(error, self.folder)
        return raised

    def _read_output(self, item: Any) -> OutputValue:
        if not hasattr(item, "data"):
            raise OutputError(f"the response holds a {class_name(item)} instead of a ResponseData")
        key = getattr(item, "key", "")
        if not isinstance(key, str):
            raise OutputError(f"an output has the key {key!r}, which is no text")
        # As it is: a subclass, such as numpy's, is no key of JSON.
        key = str.__str__(key)
        if self._outputs and key not in self._outputs:
            raise OutputError(
                f"output {key!r} is not declared in responseCls; declared: {', '.join(self._outputs)}"
            )
        data_type = self._outputs.get(key, getattr(item, "type", None))
        if data_type not in DATA_FIELDS:
            raise OutputError(f"output {key!r} has data type {data_type!r}, which is not 0 to 4")
        try:
            key.encode()
            return OutputValue(key, data_type, STATUS_ONCE, as_bytes(item.data))
        except UnicodeEncodeError as error:
            raise OutputError(f"output {key!r} cannot be written as UTF-8: {error}") from None
        except TypeError as error:
            raise OutputError(f"output {key!r}: {error}") from None


def _refused(error: BaseException) -> RequestError:
    """Returns what becomes of an input that a wrapper cannot use."""
    key, text = getattr(error, "key", ""), getattr(error, "text", "")
    if not isinstance(key, str) or not isinstance(text, str) or not key:
        text = plain_line(text) if isinstance(text, str) else one_line(error)
        return RequestError(f"the request cannot be used: {text}")
    problem = Problem(f"/payload/{plain_line(key)}", plain_line(text))
    return RequestError("an input cannot be used", problems=(problem,))


def _bind(wrapper: Any, name: str, order: tuple[str, ...]) -> Callable[..., Any] | None:
    method = own_method(wrapper, name)
    if method is None:
        return None
    aliases = {"resource": "resource_name"} if "resource_name" in order else {}
    return Binding(method, (order,), aliases).compile(method, order)
