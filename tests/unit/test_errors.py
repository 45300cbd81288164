"""One hierarchy of errors: each has a code, an HTTP status, and says whether to try again."""

import inspect
from typing import Any

import pytest

from athena import errors
from athena.errors import (
    AppIdError,
    AthenaError,
    CanceledError,
    ConfigError,
    ExecTimeoutError,
    ExpiredError,
    GatewayError,
    InternalError,
    NotFoundError,
    OutputError,
    PoisonedError,
    Problem,
    QueueFullError,
    QuotaError,
    RequestError,
    StoreError,
    UnservedError,
    WaitTimeoutError,
    WrapperError,
    http_status_of,
)
from athena.plain_text import one_line

CLASSES: list[Any] = [
    item
    for item in vars(errors).values()
    if inspect.isclass(item) and issubclass(item, BaseException) and item is not AthenaError
]

#: The classes below AthenaError itself that share a code with another one, and why.
SHARED = {
    ConfigError: 11502,  # ends a process before it can answer anybody
    InternalError: 11502,
    WaitTimeoutError: 10114,  # both: no answer in time
    ExpiredError: 10114,
}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_error_belongs_to_the_hierarchy_and_can_be_answered(error: type[AthenaError]) -> None:
    assert issubclass(error, AthenaError)
    assert isinstance(error.code, int) and 10000 < error.code < 12000
    assert 400 <= error.http_status < 600
    assert isinstance(error.retryable, bool)
    assert error.__doc__


def test_kinds_of_errors_have_codes_of_their_own() -> None:
    kinds = [error for error in CLASSES if error.__bases__ == (AthenaError,)]
    own = [error.code for error in kinds if error not in SHARED]

    assert len(own) == len(set(own))
    assert set(own).isdisjoint(SHARED.values())
    assert {error: error.code for error in SHARED} == SHARED


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_subclass_with_the_code_of_its_base_has_another_status(error: type[AthenaError]) -> None:
    base: Any = error.__base__
    if base is not AthenaError:
        assert (error.code, error.http_status) != (base.code, base.http_status)


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    full = {QueueFullError, QuotaError}
    expected = {*full, GatewayError, UnservedError, StoreError, WaitTimeoutError, ExpiredError}

    assert {error for error in CLASSES if error.retryable} == expected


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_caller_is_told_to_retry_only_what_is_not_his_mistake(error: type[AthenaError]) -> None:
    if error.retryable:
        assert error.http_status == 429 or error.http_status >= 500


def test_error_holds_what_it_was_raised_with() -> None:
    problem = Problem("/header", "is required")

    error = RequestError("does not fit", problems=(problem,), retry_after_s=3)

    assert (str(error), error.message) == ("does not fit", "does not fit")
    assert (error.problems, error.retry_after_s) == ((problem,), 3)
    assert (error.code, error.http_status, error.retryable) == (10163, 400, False)


def test_error_needs_no_more_than_a_message() -> None:
    error = StoreError("Redis is away")

    assert (error.problems, error.retry_after_s) == ((), None)


def test_code_of_one_error_leaves_its_class_alone() -> None:
    error = WrapperError("returned nothing", code=30003)

    assert error.code == 30003
    assert WrapperError.code == WrapperError("raised").code == 10909


def test_handler_of_a_kind_gets_the_particular_ones_too() -> None:
    assert issubclass(AppIdError, RequestError)
    assert issubclass(errors.ResultExpiredError, NotFoundError)
    assert issubclass(OutputError, WrapperError)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (PoisonedError.code, 502),
        (ExecTimeoutError.code, 504),
        (CanceledError.code, 409),
        (ExpiredError.code, 504),
        (RequestError.code, 400),
        (InternalError.code, 500),
        (WrapperError.code, 502),
        (OutputError.code, 502),
    ],
)
def test_code_of_an_ended_job_has_the_status_of_its_error(code: int, status: int) -> None:
    assert http_status_of(code) == status


@pytest.mark.parametrize("code", [30003, 42, 0, -1])
def test_code_that_a_wrapper_made_up_is_the_wrappers_failure(code: int) -> None:
    assert http_status_of(code) == 502


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("too dark"), "ValueError: too dark"),
        (ValueError(" two\n  lines\t\r\n"), "ValueError: two lines"),
        (KeyError("key"), "KeyError: 'key'"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError("\n"), "RuntimeError"),
        (SystemExit(3), "SystemExit: 3"),
        (RequestError("does not fit"), "RequestError: does not fit"),
    ],
)
def test_exception_fits_one_line(error: BaseException, line: str) -> None:
    assert one_line(error) == line


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        ((), "bad"),
        ((Problem("/a/b", "is not known here"),), "bad: /a/b is not known here"),
        ((Problem("", "must be an object"), Problem("/c", "x")), "bad: / must be an object (and 1 more)"),
    ],
)
def test_error_is_told_with_its_first_problem(problems: tuple[Problem, ...], text: str) -> None:
    assert RequestError("bad", problems=problems).summary == text
