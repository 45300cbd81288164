"""One way to run a job, whatever generation of wrapper it is: inputs in, `Response` out."""

from collections.abc import Callable
from typing import Any

from athena.errors import ConfigError, OutputError, WrapperError
from athena.plain_text import text_of
from athena.sdk.data import DataListCls, Response, ResponseData
from athena.sdk.wrapper import WrapperBase
from workers.runtime.async_results import AsyncResults
from workers.runtime.binding import Binding
from workers.runtime.event_loops import called_plainly

CURRENT = ("params", "inputs", "tag", "resource")
V1 = ("tag", "params", "inputs", "outputs", "resources", "resource_count")

#: Code of a failed call, and of an asynchronous one whose result is an error.
EXEC_FAILED = 10909
ASYNC_FAILED = 10910

#: Takes parameters, inputs, job id and personalised resource (0 without one); returns what the wrapper did.
OnceCall = Callable[[dict[str, str], DataListCls, str, Any], Any]


def make_once_call(wrapper: Any, results: AsyncResults, error_text: Callable[[int], str]) -> OnceCall:
    """Returns the function that runs jobs on a wrapper: a `Wrapper`, or a module of functions.

    Args:
        wrapper: the instance or the module.
        results: where results of `wrapperOnceExecAsync` arrive.
        error_text: wrapperError.

    Raises:
        ConfigError: the method wants an argument that no SDK version passes.
    """
    method = own_method(wrapper, "wrapperOnceExec")
    if method is not None:
        return _synchronous(method)
    method = own_method(wrapper, "wrapperOnceExecAsync")
    if method is not None:
        return _asynchronous(method, results, error_text)
    if own_method(wrapper, "wrapperCreate") is not None:
        return _streams_only
    raise ConfigError("the wrapper defines no wrapperOnceExec; it is what answers a request")


def own_method(wrapper: Any, name: str) -> Callable[..., Any] | None:
    """Returns a method that the wrapper defines itself; None for what is missing or only inherited."""
    method = getattr(wrapper, name, None)
    if not callable(method) or getattr(method, "__func__", None) is getattr(WrapperBase, name, method):
        return None
    return called_plainly(method)


def _synchronous(method: Callable[..., Any]) -> OnceCall:
    binding = Binding(method, (CURRENT, V1), {"sid": "tag"})
    if "outputs" not in binding.meanings:
        return binding.compile(method, CURRENT)
    call = binding.compile(method, V1)

    def run(params: dict[str, str], inputs: DataListCls, job_id: str, resource: Any) -> Response:
        outputs = V1Outputs()
        resources = [resource] if resource else []
        code = call(job_id, params, V1Inputs(inputs), outputs, resources, len(resources))
        return _v1_response(code, outputs)

    return run


def _asynchronous(
    method: Callable[..., Any], results: AsyncResults, error_text: Callable[[int], str]
) -> OnceCall:
    call = Binding(method, (CURRENT,), {"sid": "tag"}).compile(method, CURRENT)

    def run(params: dict[str, str], inputs: DataListCls, job_id: str, resource: Any) -> Response:
        # Before the call: the result may be handed in while it goes on.
        with results.expect(job_id) as expected:
            code = call(params, inputs, job_id, resource)
            if isinstance(code, Response):
                return code
            if code:
                return Response().response_err(code)
            response = expected.wait()
        if response.error_code:
            code = response.error_code
            text = text_of(code)
            raise WrapperError(f"{error_text(code)};code={text}", code=ASYNC_FAILED, kinds=frozenset({text}))
        return response

    return run


def _streams_only(params: dict[str, str], inputs: DataListCls, job_id: str, resource: Any) -> Response:
    raise WrapperError("this ability answers streams only: it defines no wrapperOnceExec", code=EXEC_FAILED)


class V1Node(dict[str, Any]):
    """An input as the first generation of wrappers reads it, `node["data"]`; `node.data` works as well."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class V1Inputs(list[V1Node]):
    """The inputs as a list, with the members of `DataListCls`."""

    def __init__(self, inputs: DataListCls) -> None:
        super().__init__(
            V1Node(key=node.key, data=node.data, len=node.len, type=node.type, status=node.status)
            for node in inputs.list
        )

    @property
    def list(self) -> "V1Inputs":
        """The list itself."""
        return self

    def get(self, key: str) -> V1Node | None:
        """Returns the input named `key`, or None."""
        return next((node for node in self if node["key"] == key), None)


class V1Outputs(list[Any]):
    """The list that a wrapper appends its outputs to; `outputs.list` is the list itself."""

    @property
    def list(self) -> "V1Outputs":
        """The list itself."""
        return self

    @list.setter
    def list(self, items: Any) -> None:
        self[:] = items


def _v1_response(code: Any, outputs: V1Outputs) -> Response:
    if isinstance(code, Response):
        return code
    if code is not None and not isinstance(code, int):
        raise OutputError(f"wrapperOnceExec returned {type(code).__name__} instead of a number")
    response = Response()
    response.list = [_v1_output(item) for item in outputs]
    response.error_code = code or 0
    return response


def _v1_output(item: Any) -> ResponseData:
    if isinstance(item, ResponseData):
        return item
    if not isinstance(item, dict):
        raise OutputError(f"respData holds a {type(item).__name__} instead of an object with key and data")
    if "key" not in item or "data" not in item:
        raise OutputError("respData holds an object without 'key' or 'data'")
    output = ResponseData(item["key"], type=item.get("type", 0), status=item.get("status", 3))
    output.data = item["data"]
    return output
