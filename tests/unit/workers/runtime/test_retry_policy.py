"""Which failures are tried again, and after how long."""

import pytest

from athena.ability.manifest import RetryOptions
from athena.errors import AthenaError, ExecTimeoutError, OutputError, RequestError, WrapperError
from workers.runtime.retry_policy import RetryPolicy, kinds_of


class Busy(ConnectionResetError):
    """An error of a wrapper's own."""


def policy(*errors: str, max_runs: int = 3) -> RetryPolicy:
    return RetryPolicy(RetryOptions(errors, max_runs, backoff_s=1, max_backoff_s=5))


def raised(error: BaseException) -> WrapperError:
    return WrapperError("away", kinds=kinds_of(error))


@pytest.mark.parametrize(
    "name", ["Busy", f"{__name__}.Busy", "ConnectionError", "builtins.OSError", "Exception"]
)
def test_exception_is_known_by_its_name_and_by_those_of_its_bases(name: str) -> None:
    assert policy(name).delay_s(raised(Busy()), 1) == 1


@pytest.mark.parametrize("name", ["TimeoutError", "other.Busy", "busy"])
def test_other_exception_is_not_tried_again(name: str) -> None:
    assert policy(name).delay_s(raised(Busy()), 1) is None


def test_code_of_the_wrapper_is_known_and_the_stage_is_none() -> None:
    error = WrapperError("busy;code=1234", code=10909, kinds=frozenset({"1234"}))

    assert policy("1234").delay_s(error, 1) == 1
    assert policy("10909").delay_s(error, 1) is None


@pytest.mark.parametrize("error", [RequestError("no"), ExecTimeoutError("late"), OutputError("odd")])
def test_what_the_wrapper_did_not_raise_is_not_tried_again(error: AthenaError) -> None:
    assert policy("Exception").delay_s(error, 1) is None


def test_waits_double_up_to_a_limit_and_runs_end() -> None:
    delays = [policy("OSError", max_runs=7).delay_s(raised(OSError()), attempt) for attempt in range(9)]

    assert delays == [None, 1, 2, 4, 5, 5, 5, None, None]


def test_number_of_runs_overflows_nothing() -> None:
    assert policy("OSError", max_runs=10**9).delay_s(raised(OSError()), 10**8) == 5


def test_without_a_policy_nothing_is_tried_again() -> None:
    assert RetryPolicy(RetryOptions()).delay_s(raised(OSError()), 1) is None
