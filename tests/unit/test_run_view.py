"""What a request's line and headers ask for."""

import pytest

from api.views.run import Preference, find_service, parse_json, parse_preference
from athena.errors import NotFoundError, RequestError


@pytest.mark.parametrize(
    ("header", "preference"),
    [
        ("", Preference()),
        ("respond-async", Preference(respond_async=True)),
        ("Respond-Async", Preference(respond_async=True)),
        ("wait=7", Preference(wait_s=7)),
        ('wait="7"', Preference(wait_s=7)),
        ("wait=0", Preference(wait_s=0)),
        ("wait=7;x=y", Preference(wait_s=7)),
        ("respond-async, wait=7", Preference(wait_s=7)),
        ("return=minimal, respond-async", Preference(respond_async=True)),
        ("wait=99999999", Preference(wait_s=300)),
        ("wait=-1", Preference()),
        ("wait=1.5", Preference()),
        ("wait=soon", Preference()),
        ("wait", Preference()),
        (",,;=", Preference()),
    ],
)
def test_preference_is_read_as_far_as_it_is_known(header: str, preference: Preference) -> None:
    assert parse_preference(header) == preference


@pytest.mark.parametrize(
    ("path", "query", "service"),
    [
        ("echo", {}, ("echo", "v1")),
        ("echo/", {}, ("echo", "v1")),
        ("any/thing/echo", {}, ("echo", "v1")),
        ("v1/private/echo", {}, ("echo", "v1")),
        ("v7/private/echo", {}, ("echo", "v7")),
        ("v7/private/echo/", {}, ("echo", "v7")),
        ("", {"serviceId": "echo"}, ("echo", "v1")),
        ("any/thing", {"serviceId": "echo"}, ("echo", "v1")),
        ("v7/private/other", {"serviceId": "echo"}, ("echo", "v7")),
    ],
)
def test_service_is_found_in_path_or_query(
    path: str, query: dict[str, str], service: tuple[str, str]
) -> None:
    assert find_service(path, query) == service


@pytest.mark.parametrize("path", ["v1/jobs/x", "docs/echo", "metrics/echo", "v1"])
def test_path_that_the_gateway_needs_for_itself_is_no_service(path: str) -> None:
    with pytest.raises(NotFoundError):
        find_service(path, {})


@pytest.mark.parametrize("raw", [b"", b"{", b"nope", b'{"a": NaN}', b"\xff", b'"\\ud800"'])
def test_body_that_is_no_json_is_refused_with_a_pointer_to_all_of_it(raw: bytes) -> None:
    with pytest.raises(RequestError) as error:
        parse_json(raw)

    (problem,) = error.value.problems
    assert (error.value.code, problem.pointer) == (10163, "")
    assert problem.detail.startswith("is not JSON: ")
