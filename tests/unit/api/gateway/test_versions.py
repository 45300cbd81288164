"""Which version of an ability a call is for."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any

import orjson
import pytest

from api.gateway.call import Call, open_call
from api.gateway.submitter import NO_PREFERENCE, Submitter
from athena.fleet.canary import CanaryReport
from athena.fleet.traffic_split import BY_APP, TrafficSplit
from athena.protocol.checks.schema import build_envelope_schema
from athena.protocol.interface import Canary, Interface, ParamSpec
from tests.callers import REQUEST, Knowing

ALL_TO_NEXT = TrafficSplit({"v2": 100})


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test in an event loop."""

    @wraps(test)
    def run(**options: Any) -> None:
        asyncio.run(test(**options))

    return run


class Site(Knowing):
    """A gateway that knows an ability and its next version, which takes one parameter more."""

    def __init__(self, split: TrafficSplit | None = ALL_TO_NEXT) -> None:
        super().__init__()
        main, _ = self.watch.schemas["echo"]
        self.next = replace(main, service_id="echo@v2", version="v2", params=(ParamSpec("loud"),))
        self.watch.schemas["echo@v2"] = (self.next, build_envelope_schema(self.next))
        self.splits = {"echo": split} if split is not None else {}

    def open(self, is_pinned: bool = False) -> Call:
        return open_call(Submitter(self), self.watch.schemas["echo"], None, is_pinned)

    def queue_of(self, document: Any) -> str:
        """Returns the queue that an ordinary request goes to."""
        call = self.open()
        assert call.prepare_ordinary(orjson.dumps(document))
        call.errand.submit(lambda: None)
        return self.submitted[-1].queue


def request(app_id: str = "demo", **header: str) -> dict[str, Any]:
    return {**REQUEST, "header": {"app_id": app_id, "status": 3, **header}}


@in_loop
async def test_request_goes_to_the_version_of_its_share() -> None:
    site = Site()

    assert site.queue_of(request()) == "echo@v2.any"
    assert site.queue_of({"text": "hi"}) == "echo@v2.any"
    # Judged by the version that runs it.
    assert site.queue_of({"text": "hi", "loud": "x"}) == "echo@v2.any"
    assert Site(None).queue_of(request()) == "echo.any"


@in_loop
async def test_request_that_names_its_version_has_it() -> None:
    call = Site().open(is_pinned=True)

    assert not call.settle_version(request())
    assert call.interface.service_id == "echo"


@in_loop
async def test_version_is_settled_once() -> None:
    call = Site(TrafficSplit(apps={"partner": "v2"})).open()

    assert not call.settle_version(request("other"))
    assert not call.settle_version(request("partner"))


@pytest.mark.parametrize(
    "document",
    [
        request("partner"),
        {"text": "hi", "app_id": "partner"},
        {**request(""), "header": {"appid": "partner"}},
    ],
)
@in_loop
async def test_app_is_found_in_either_form(document: Any) -> None:
    call = Site(TrafficSplit(apps={"partner": "v2"})).open()

    assert call.settle_version(document)
    assert call.interface.version == "v2"


@pytest.mark.parametrize(
    "document", [None, [], "text", {"header": None}, {"header": [1]}, {"header": {"app_id": ["partner"]}}]
)
@in_loop
async def test_what_says_no_app_is_nobodys(document: Any) -> None:
    call = Site(TrafficSplit({"v2": 0}, {"partner": "v2"}, BY_APP)).open()

    assert not call.settle_version(document)


@in_loop
async def test_version_that_cannot_answer_gets_nothing() -> None:
    site = Site()
    site.watch.fleet._grace_s = -1
    assert site.queue_of(request()) == "echo.any"

    site = Site()
    watched: Interface = replace(site.next, canary=Canary(5))
    site.canaries.observe([watched], {b"echo@v2": CanaryReport(1, 1, "wrong", 2).encode()})
    assert site.queue_of(request()) == "echo.any"

    site = Site(TrafficSplit({"v9": 100}))
    assert site.queue_of(request()) == "echo.any"


@in_loop
async def test_problem_is_told_as_the_version_has_found_it() -> None:
    call = Site().open()

    await call.prepare_json(orjson.dumps({"text": "hi", "loud": "x"}), NO_PREFERENCE)

    assert call.interface.service_id == "echo@v2" and call.is_plain
