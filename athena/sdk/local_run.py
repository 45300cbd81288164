"""Runs a wrapper alone, on the test data of its fields: `Wrapper().run()`."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

from athena.sdk.data import DataListCls, DataListNode, Response, as_bytes
from athena.sdk.fields import Field, ParamField, PayloadField
from athena.sdk.results import init_rq, local_results, set_sink
from athena.sdk.types import DataEnd, DataOnce

logger = logging.getLogger(__name__)

SID = "local-run"

#: So long a session's results are waited for.
STREAM_S = 60.0


class LocalRun:
    """One run of a wrapper without a worker."""

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper

    def once(self) -> bool:
        """Runs one job; returns whether its answer fits."""
        wrapper = self._wrapper
        wrapper.wrapperInit(wrapper.config)
        try:
            response = wrapper.wrapperOnceExec(self._params(), self._inputs())
            return check_response(wrapper, response)
        finally:
            wrapper.wrapperFini()

    def stream(self) -> bool:
        """Runs one session; returns whether each part of its answer fits and the last one came."""
        wrapper = self._wrapper
        set_sink(None)
        init_rq()
        wrapper.wrapperInit(wrapper.config)
        created = wrapper.wrapperCreate(self._params(), SID)
        handle = getattr(created, "handle", created)
        try:
            wrapper.wrapperWrite(handle, self._inputs())
            return self._results_fit()
        finally:
            wrapper.wrapperDestroy(handle)
            wrapper.wrapperFini()

    def _results_fit(self) -> bool:
        deadline_s = time.monotonic() + STREAM_S
        while True:
            try:
                _, response = local_results.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except Empty:
                logger.error("Sorry: no last result within %g s", STREAM_S)
                return False
            if not check_response(self._wrapper, response, is_stream=True):
                return False
            if any(item.status in (DataEnd, DataOnce) for item in response.list or ()):
                return True

    def _params(self) -> dict[str, str]:
        fields = declared(self._wrapper.requestCls)
        values = {item.key: as_text(item.value) for item in fields if isinstance(item, ParamField)}
        return {**values, "sid": SID}

    def _inputs(self) -> DataListCls:
        fields = declared(self._wrapper.requestCls)
        return DataListCls(
            [
                DataListNode(item.key, test_data(item), item.data_type)
                for item in fields
                if isinstance(item, PayloadField)
            ]
        )


def declared(declaration: Any) -> Iterator[Field]:
    """Yields the fields of `requestCls` or `responseCls`, in their order."""
    if declaration is not None:
        cls = declaration if isinstance(declaration, type) else type(declaration)
        yield from (item for item in vars(cls).values() if isinstance(item, Field))


def check_response(wrapper: Any, response: Any, is_stream: bool = False) -> bool:
    """Returns whether a response fits what the wrapper declares; the log says what does not."""
    problems = list(_problems(wrapper, response, is_stream))
    for problem in problems:
        logger.error("Sorry: %s", problem)
    if not problems:
        logger.info("the answer is verified: %s", _described(response))
    return not problems


def _described(response: Response) -> str:
    if response.error_code:
        return f"error code {response.error_code}"
    return ", ".join(f"{item.key} ({len(as_bytes(item.data))} bytes)" for item in response.list)


def _problems(wrapper: Any, response: Any, is_stream: bool) -> Iterator[str]:
    if not isinstance(response, Response):
        yield f"the wrapper returned {type(response).__name__} instead of Response"
        return
    if response.error_code:
        return
    if not response.list:
        yield "the response's list is empty"
    outputs = [item for item in declared(wrapper.responseCls) if isinstance(item, PayloadField)]
    types = {item.key: item.data_type for item in outputs}
    seen: set[str] = set()
    for item in response.list:
        if item.key in seen:
            yield f"output {item.key!r} is there twice"
        seen.add(item.key)
        yield from _output_problems(item, types, is_stream)


def _output_problems(item: Any, types: dict[str, int], is_stream: bool) -> Iterator[str]:
    try:
        size = len(as_bytes(item.data))
    except TypeError as error:
        yield f"output {item.key!r}: {error}"
        return
    # The length of a text may count its characters, as `ResponseData` itself does.
    if item.len not in (size, len(item.data)):
        yield f"output {item.key!r} has len {item.len}, but {size} bytes"
    if not is_stream and item.status != DataOnce:
        yield f"output {item.key!r} has status {item.status} instead of {DataOnce}"
    if item.key not in types:
        yield f"output {item.key!r} is not declared in responseCls; declared: {', '.join(types)}"
    elif item.type != types[item.key]:
        yield f"output {item.key!r} has type {item.type}, declared is {types[item.key]}"


def as_text(value: Any) -> str:
    """Returns the test value of a parameter as a wrapper gets it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def test_data(item: Any) -> bytes:
    """Returns the test data of an input; a file that is missing is empty."""
    path = getattr(item, "path", "")
    if path:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            logger.warning("no test data for %s: %s", item.key, error)
            return b""
    return as_bytes(getattr(item, "value", b""))
