"""Calls a wrapper's methods and turns whatever comes of it into outputs or an error."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from athena.errors import AthenaError, ConfigError, OutputError, WrapperError
from athena.protocol import DATA_FIELDS, STATUS_ONCE, OutputValue
from athena.sdk.data import DataListCls, Response, as_bytes

logger = logging.getLogger(__name__)

INIT_RAISED = 30001
INIT_FAILED = 30002
EXEC_RETURNED_NOTHING = 30003
EXEC_FAILED = 10909

#: Names under which wrappers of different SDK versions take the job's id and the personalised resource.
_TAG_NAMES = frozenset({"usrTag", "userTag", "sid", "tag"})
_RESOURCE_NAMES = frozenset({"persId", "psrId", "psrID"})

OnceExec = Callable[[dict[str, str], DataListCls, str], Any]


class Dispatcher:
    """One wrapper instance; its signatures are looked at once, when it is loaded.

    Args:
        wrapper: the instance.
        outputs: output key -> data type number, as declared; empty when nothing is declared.
    """

    def __init__(self, wrapper: Any, outputs: dict[str, int]) -> None:
        self._wrapper = wrapper
        self._outputs = outputs
        self._once_exec = bind_once_exec(wrapper.wrapperOnceExec)

    def init(self, config: dict[str, str]) -> None:
        """Runs wrapperInit.

        Raises:
            ConfigError: it raised or returned an error code; the message says which, in one line.
        """
        try:
            code = self._wrapper.wrapperInit(config)
        except Exception as error:
            raise ConfigError(f"wrapperInit raised {_one_line(error)}", code=INIT_RAISED) from error
        if code:
            text = self._error_text(code)
            raise ConfigError(f"wrapperInit returned {code}{': ' if text else ''}{text}", code=INIT_FAILED)

    def fini(self) -> None:
        """Runs wrapperFini; what it raises is only logged."""
        try:
            self._wrapper.wrapperFini()
        except Exception:
            logger.exception("wrapperFini raised")

    def once(self, params: dict[str, str], inputs: DataListCls, job_id: str) -> list[OutputValue]:
        """Runs one job.

        Raises:
            WrapperError: the wrapper raised, or returned an error code, nothing, or something that does not
            fit its
                declaration.
        """
        try:
            response = self._once_exec(params, inputs, job_id)
        except AthenaError:
            raise
        except BaseException as error:
            # BaseException: sys.exit() in a wrapper must end its job, not the worker.
            logger.exception("job %s: wrapperOnceExec raised", job_id)
            raise WrapperError(_one_line(error), code=EXEC_FAILED) from None
        return self.read_response(response)

    def read_response(self, response: Any) -> list[OutputValue]:
        """Returns a response's outputs (see `once` for what it raises)."""
        if response is None:
            raise WrapperError("wrapperOnceExec returned nothing", code=EXEC_RETURNED_NOTHING)
        if not isinstance(response, Response):
            raise OutputError(f"wrapperOnceExec returned {type(response).__name__} instead of Response")
        if response.error_code:
            code = response.error_code
            raise WrapperError(f"{self._error_text(code)};code={code}", code=EXEC_FAILED)
        outputs = [self._read_output(item) for item in response.list or ()]
        keys = [output.key for output in outputs]
        if len(set(keys)) != len(keys):
            raise OutputError(f"the answer has an output twice: {', '.join(keys)}")
        return outputs

    def _read_output(self, item: Any) -> OutputValue:
        key = getattr(item, "key", "")
        if self._outputs and key not in self._outputs:
            raise OutputError(
                f"output {key!r} is not declared in responseCls; declared: {', '.join(self._outputs)}"
            )
        data_type = self._outputs.get(key, item.type)
        if data_type not in DATA_FIELDS:
            raise OutputError(f"output {key!r} has data type {data_type!r}, which is not 0 to 3")
        try:
            return OutputValue(key, data_type, STATUS_ONCE, as_bytes(item.data))
        except TypeError as error:
            raise OutputError(f"output {key!r}: {error}") from None

    def _error_text(self, code: int) -> str:
        try:
            return str(self._wrapper.wrapperError(code) or "")
        except Exception:
            logger.exception("wrapperError(%s) raised", code)
            return ""


def bind_once_exec(method: Callable[..., Any]) -> OnceExec:
    """Returns a function of (params, inputs, job id) that calls `method` as its own signature wants it.

    Arguments are found by name, because their order changed between SDK versions.
    """
    names = list(inspect.signature(method).parameters)
    extra = {name: name in _TAG_NAMES for name in names[2:] if name in _TAG_NAMES | _RESOURCE_NAMES}
    if not extra:
        return lambda params, inputs, job_id: method(params, inputs)
    if names[2:] == ["usrTag", "persId"]:
        return lambda params, inputs, job_id: method(params, inputs, job_id, 0)

    def call(params: dict[str, str], inputs: DataListCls, job_id: str) -> Any:
        named = {name: job_id if is_tag else 0 for name, is_tag in extra.items()}
        return method(params, inputs, **named)

    return call


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
