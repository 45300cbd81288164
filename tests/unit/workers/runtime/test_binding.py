"""How arguments find their way into methods of all SDK generations."""

from collections.abc import Callable
from typing import Any

import pytest

from athena.errors import ConfigError
from workers.runtime.binding import Binding
from workers.runtime.once_call import CURRENT, V1

CREATE = ("params", "sid", "resource", "tag")
ALL = ("params", "inputs", "tag", "resource", "outputs", "resources", "resource_count")


def told(method: Callable[..., Any], *orders: tuple[str, ...], **aliases: str) -> Any:
    """Calls a method with values that are the names of what they mean."""
    given = tuple(dict.fromkeys(meaning for order in orders for meaning in order))
    return Binding(method, orders, aliases).compile(method, given)(*given)


def sdk_0_1(usrTag: Any, params: Any, reqData: Any, respData: Any, psrIds: Any, psrCnt: Any) -> Any:
    return params, reqData, usrTag, respData, psrIds, psrCnt


def sdk_0_1_8(params: Any, reqData: Any) -> Any:
    return params, reqData


def sdk_0_8_10(params: Any, reqData: Any, usrTag: str = "") -> Any:
    return params, reqData, usrTag


def sdk_0_9_1(params: Any, reqData: Any, persId: int = 0) -> Any:
    return params, reqData, persId


def sdk_0_16(params: Any, reqData: Any, usrTag: str = "", persId: int = 0) -> Any:
    return params, reqData, usrTag, persId


def swapped(params: Any, reqData: Any, psrID: Any, userTag: Any) -> Any:
    return params, reqData, userTag, psrID


def turned_round(req: Any, params: Any) -> Any:
    return params, req


def unknown_names(a: Any, b: Any, c: Any, d: Any) -> Any:
    return a, b, c, d


def only_tag(params: Any, reqData: Any, *, sid: Any) -> Any:
    return params, reqData, sid


def own_default(params: Any, reqData: Any, mode: str = "fast") -> Any:
    return params, reqData, mode


def tag_after_own_default(params: Any, reqData: Any, mode: str = "fast", userTag: str = "") -> Any:
    return params, reqData, mode, userTag


def anything(*args: Any, **kwargs: Any) -> Any:
    return *args, *kwargs.items()


def params_and_anything(params: Any, *rest: Any) -> Any:
    return params, *rest


@pytest.mark.parametrize(
    ("method", "seen"),
    [
        (sdk_0_1, ("params", "inputs", "tag", "outputs", "resources", "resource_count")),
        (sdk_0_1_8, ("params", "inputs")),
        (sdk_0_8_10, ("params", "inputs", "tag")),
        (sdk_0_9_1, ("params", "inputs", "resource")),
        (sdk_0_16, ("params", "inputs", "tag", "resource")),
        (swapped, ("params", "inputs", "tag", "resource")),
        (turned_round, ("params", "inputs")),
        (unknown_names, ("params", "inputs", "tag", "resource")),
        (only_tag, ("params", "inputs", "tag")),
        (own_default, ("params", "inputs", "fast")),
        (tag_after_own_default, ("params", "inputs", "fast", "tag")),
        (anything, ("params", "inputs", "tag", "resource")),
        (params_and_anything, ("params", "inputs", "tag", "resource")),
    ],
)
def test_once_call_of_any_generation_gets_what_it_asks_for(
    method: Callable[..., Any], seen: tuple[str, ...]
) -> None:
    assert told(method, CURRENT, V1, sid="tag") == seen


def test_six_arguments_without_known_names_are_those_of_the_first_generation() -> None:
    def old(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> Any:
        return a, b, c, d, e, f

    assert told(old, CURRENT, V1) == V1


def test_place_fills_what_names_leave_open() -> None:
    def half(x: Any, y: Any, persId: Any, z: Any) -> Any:
        return x, y, persId, z

    assert told(half, CURRENT) == ("params", "inputs", "resource", "tag")


def create_0_4(params: Any, sid: Any) -> Any:
    return params, sid


def create_0_8(params: Any, sid: Any, userTag: str = "") -> Any:
    return params, sid, userTag


def create_0_16(params: Any, sid: Any, persId: int = 0, usrTag: str = "") -> Any:
    return params, sid, persId, usrTag


@pytest.mark.parametrize(
    ("method", "seen"),
    [
        (create_0_4, ("params", "sid")),
        (create_0_8, ("params", "sid", "tag")),
        (create_0_16, ("params", "sid", "resource", "tag")),
    ],
)
def test_create_of_any_generation_gets_what_it_asks_for(
    method: Callable[..., Any], seen: tuple[str, ...]
) -> None:
    assert told(method, CREATE) == seen


def test_method_whose_signature_cannot_be_read_gets_the_current_order() -> None:
    assert told(max, ("params", "inputs")) == "params"


@pytest.mark.parametrize(
    "method",
    [
        lambda params, reqData, usrTag, persId, colour: None,
        lambda params, reqData, *, colour: None,
    ],
)
def test_argument_that_no_version_passes_is_refused_by_its_name(method: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="wants an argument 'colour'"):
        Binding(method, (CURRENT,))


def test_current_signature_is_called_without_anything_in_between() -> None:
    call = Binding(sdk_0_16, (CURRENT, V1), {"sid": "tag"}).compile(sdk_0_16, CURRENT)

    assert call is sdk_0_16
