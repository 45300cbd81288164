"""Results that come by callback find the job that waits for them."""

import threading
from typing import Any

import pytest

from athena.errors import ExecTimeoutError
from athena.sdk import Response, ResponseData
from workers.runtime.async_results import AsyncResults


def response(*items: tuple[str, Any, int]) -> Response:
    answer = Response()
    answer.list = [ResponseData(key, data, status=status) for key, data, status in items]
    return answer


def test_result_of_another_thread_reaches_the_job() -> None:
    results = AsyncResults(5)
    answer = response(("text", b"x", 3))

    with results.expect("j1", "handle-1") as expected:
        thread = threading.Thread(target=results.deliver, args=(answer, "handle-1"))
        thread.start()
        received = expected.wait()
        thread.join()

    assert received is answer


def test_sid_finds_the_job_when_the_tag_does_not() -> None:
    results = AsyncResults(5)

    with results.expect("j1") as expected:
        code = results.deliver(response(("text", b"x", 3)), "a handle", "j1")

    assert code == 0
    assert expected.wait().list[0].data == b"x"


def test_parts_are_put_together_until_the_last() -> None:
    results = AsyncResults(5)

    with results.expect("j1") as expected:
        results.deliver(response(("text", b"a", 0)), "j1")
        results.deliver(response(("text", b"b", 1), ("log", b"1", 1)), "j1")
        results.deliver(response(("text", b"c", 2), ("log", b"2", 2)), "j1")

    assert [(item.key, item.data) for item in expected.wait().list] == [("text", b"abc"), ("log", b"12")]


def test_error_ends_the_waiting_at_once() -> None:
    results = AsyncResults(5)

    with results.expect("j1") as expected:
        results.deliver(response(("text", b"a", 1)), "j1")
        results.deliver(Response().response_err(9), "j1")

    assert expected.wait().error_code == 9


def test_result_for_nobody_is_dropped() -> None:
    results = AsyncResults(5)
    with results.expect("j1"):
        pass

    assert results.deliver(response(), "j1") == 1


def test_something_else_than_a_response_ends_the_job() -> None:
    results = AsyncResults(5)

    with results.expect("j1") as expected:
        results.deliver("text", "j1")

    assert expected.wait().error_code


def test_waiting_has_a_limit() -> None:
    with AsyncResults(0.01).expect("j1") as expected, pytest.raises(ExecTimeoutError, match="no callback"):
        expected.wait()
