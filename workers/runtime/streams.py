"""Sessions of a wrapper: a request in several parts, and results as they come."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from athena.errors import AthenaError, WrapperError
from athena.plain_text import one_line, text_of
from athena.protocol.envelope import OutputValue
from athena.sdk.data import DataListCls, Response
from workers.runtime.async_results import AsyncResults, Expected
from workers.runtime.binding import Binding
from workers.runtime.once_call import ASYNC_FAILED, own_method
from workers.runtime.process.forks import end_fork

logger = logging.getLogger(__name__)

CREATE_FAILED = 10905
DESTROY_FAILED = 10906
WRITE_FAILED = 10907
READ_FAILED = 10908

#: What loaders of the SDK's generations pass by position.
CREATE = ("params", "sid", "resource", "tag")
V1_CREATE = ("tag", "params", "resources", "resource_count")
WRITE = ("handle", "inputs", "sid")
READ = ("handle", "sid")
DESTROY = ("handle", "sid")

#: Reads a wrapper's response; the second argument is the method that it came from.
ReadResponse = Callable[[Any, str], list[OutputValue]]


class StreamMethods:
    """The session methods of a wrapper, bound once.

    Args:
        wrapper: an instance of `Wrapper`, or a module of functions.
        results: where results that come by `callback` arrive.
        read_response: turns a response into outputs, or raises what is wrong with it.
        error_text: wrapperError.

    Raises:
        ConfigError: a method wants an argument that no SDK version passes.
    """

    def __init__(
        self,
        wrapper: Any,
        results: AsyncResults,
        read_response: ReadResponse,
        error_text: Callable[[int], str],
    ) -> None:
        self.results = results
        self.read_response = read_response
        self.error_text = error_text
        self._create = own_method(wrapper, "wrapperCreate")
        if self._create is not None:
            binding = Binding(self._create, (CREATE, V1_CREATE))
            given = (*CREATE, "resources", "resource_count")
            self._create = binding.compile(self._create, given)
        self.write = _bind(wrapper, "wrapperWrite", WRITE)
        self.read = _bind(wrapper, "wrapperRead", READ)
        self.destroy = _bind(wrapper, "wrapperDestroy", DESTROY)

    def open(self, params: dict[str, str], sid: str, resource: Any = 0) -> "Stream":
        """Begins a session.

        Args:
            params: the parameters as texts; `sid` is added.
            sid: the session's id.
            resource: the personalised resource, 0 without one.

        Raises:
            WrapperError: the wrapper has no sessions, has none left, or wrapperCreate failed.
        """
        if self._create is None:
            raise WrapperError(
                "this ability has no sessions: it defines no wrapperCreate", code=CREATE_FAILED
            )
        resources = [resource] if resource else []
        given = ({**params, "sid": sid}, sid, resource, sid, resources, len(resources))
        created = self.run("wrapperCreate", CREATE_FAILED, self._create, *given)
        code = getattr(created, "error_code", 0)
        if code:
            raise WrapperError(f"{self.error_text(code)};code={text_of(code)}", code=CREATE_FAILED)
        handle = getattr(created, "handle", created)
        if handle is None:
            raise WrapperError("wrapperCreate returned no handle", code=CREATE_FAILED)
        return Stream(self, handle, sid)

    def run(self, name: str, code: int, method: Callable[..., Any], *given: Any) -> Any:
        """Calls a method.

        Raises:
            WrapperError: with `code`, when it raises anything.
        """
        try:
            return method(*given)
        except AthenaError:
            raise
        except BaseException as error:
            end_fork(error)
            logger.exception("%s raised", name)
            raise WrapperError(f"{name} raised {one_line(error)}", code=code) from None


class Stream:
    """One session of a wrapper; not for several threads at once."""

    def __init__(self, methods: StreamMethods, handle: Any, sid: str) -> None:
        self.handle = handle
        self._methods = methods
        self._sid = sid
        self._exit = ExitStack()
        self._expected: Expected = self._exit.enter_context(methods.results.expect(sid, str(handle)))

    def write(self, inputs: DataListCls) -> None:
        """Hands a part of the request in; its nodes' `status` says whether it is the last.

        Raises:
            WrapperError: wrapperWrite failed.
        """
        methods = self._methods
        if methods.write is None:
            raise WrapperError("the wrapper defines no wrapperWrite", code=WRITE_FAILED)
        code = methods.run("wrapperWrite", WRITE_FAILED, methods.write, self.handle, inputs, self._sid)
        if code:
            raise WrapperError(f"{methods.error_text(code)};code={text_of(code)}", code=WRITE_FAILED)

    def read(self) -> list[OutputValue]:
        """Returns the next part of the answer: from wrapperRead where there is one, else from `callback`.

        Raises:
            WrapperError: wrapperRead failed, or the result that came by callback is an error.
            ExecTimeoutError: no callback came in time.
        """
        methods = self._methods
        if methods.read is None:
            response: Any = self._expected.next()
            return self._outputs(response, "callback", ASYNC_FAILED)
        response = methods.run("wrapperRead", READ_FAILED, methods.read, self.handle, self._sid)
        if isinstance(response, list | tuple):
            items, response = response, Response()
            response.list = list(items)
        return self._outputs(response, "wrapperRead", READ_FAILED)

    def close(self) -> None:
        """Ends the session; what wrapperDestroy raises or returns is only logged."""
        self._exit.close()
        methods = self._methods
        if methods.destroy is None:
            return
        try:
            code = methods.run("wrapperDestroy", DESTROY_FAILED, methods.destroy, self.handle, self._sid)
        except AthenaError:
            return
        if code:
            logger.warning("wrapperDestroy returned %s", text_of(code))

    def _outputs(self, response: Any, name: str, code: int) -> list[OutputValue]:
        error_code = getattr(response, "error_code", 0)
        if error_code:
            text = self._methods.error_text(error_code)
            raise WrapperError(f"{text};code={text_of(error_code)}", code=code)
        return self._methods.read_response(response, name)


def _bind(wrapper: Any, name: str, order: tuple[str, ...]) -> Callable[..., Any] | None:
    method = own_method(wrapper, name)
    return None if method is None else Binding(method, (order,), {"tag": "sid"}).compile(method, order)
