"""Which version gets a request: by share, by app, and always the same for the same request."""

from typing import Any

import pytest

from athena.errors import ConfigError
from athena.fleet.traffic_split import (
    BY_APP,
    TrafficSplit,
    decode_split,
    read_split,
    side_versions,
)

MANY = 10_000


def ids_in(split: TrafficSplit, version: str) -> set[str]:
    """Returns those of many request_ids that go to a version."""
    ids = (f"r{number}" for number in range(MANY))
    return {name for name in ids if split.version_for("ocr", "shop", name, 0.0) == version}


@pytest.mark.parametrize("percent", [0, 0.5, 5, 50, 100])
def test_share_of_request_ids_is_what_was_asked_for(percent: float) -> None:
    assert len(ids_in(TrafficSplit({"v2": percent}), "v2")) / MANY == pytest.approx(percent / 100, abs=0.01)


def test_share_that_grows_takes_nobody_back() -> None:
    small, large = (ids_in(TrafficSplit({"v2": percent}), "v2") for percent in (5, 20))

    assert small < large


def test_several_versions_have_each_their_share() -> None:
    split = TrafficSplit({"v2": 5, "v3": 20})

    assert len(ids_in(split, "v2")) / MANY == pytest.approx(0.05, abs=0.01)
    assert len(ids_in(split, "v3")) / MANY == pytest.approx(0.20, abs=0.01)
    assert (split.share_of("ocr"), split.share_of("ocr@v2"), split.share_of("ocr@v9")) == (75, 5, 0)


def test_request_without_an_id_is_drawn() -> None:
    split = TrafficSplit({"v2": 5, "v3": 5})

    drawn = [
        split.version_for("ocr", "shop", "", chance) for chance in (0.0, 0.0499, 0.05, 0.0999, 0.1, 0.99)
    ]
    assert drawn == ["v2", "v2", "v3", "v3", "", ""]


def test_app_keeps_its_version_where_shares_are_those_of_apps() -> None:
    split = TrafficSplit({"v2": 30}, by=BY_APP)
    apps = [f"app{number}" for number in range(MANY)]
    found = {app: {split.version_for("ocr", app, name, 0.5) for name in ("", "r1", "r2")} for app in apps}

    assert all(len(versions) == 1 for versions in found.values())
    share = sum(versions == {"v2"} for versions in found.values()) / MANY
    assert share == pytest.approx(0.30, abs=0.02)


def test_abilities_do_not_all_try_their_versions_on_the_same_apps() -> None:
    split = TrafficSplit({"v2": 50}, by=BY_APP)
    found = {name: [split.version_for(name, f"app{n}", "", 0) for n in range(50)] for name in ("ocr", "asr")}

    assert found["ocr"] != found["asr"]


def test_named_app_goes_where_it_is_sent() -> None:
    split = TrafficSplit({"v2": 0}, {"partner": "v3"})

    assert split.version_for("ocr", "partner", "r1", 0.0) == "v3"
    assert split.version_for("ocr", "other", "r1", 0.0) == ""
    assert split.versions == ["v2", "v3"]


def test_id_that_is_no_unicode_has_its_share() -> None:
    assert TrafficSplit({"v2": 100}).version_for("ocr", "\ud800", "\udfff", 0.99) == "v2"


def test_it_is_read_as_it_was_written() -> None:
    split = TrafficSplit({"v2": 5.25, "v3": 0.0}, {"partner": "v2"}, BY_APP)

    assert decode_split(split.encode()) == split
    assert split.text() == "v2=5.25% v3=0% --app partner=v2 --by app"


def test_without_a_version_its_share_is_the_main_ones() -> None:
    split = TrafficSplit({"v2": 5, "v3": 1}, {"partner": "v2", "other": "v3"}).without("ocr@v2")

    assert split == TrafficSplit({"v3": 1}, {"other": "v3"})
    assert split.main_percent == 99


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ([], "must be an object"),
        ({"percent": {}}, "must be an object with percents, apps and by"),
        ({"percents": []}, "percents and apps must be objects"),
        ({"percents": {"v.2": 5}}, "'v.2' is no version"),
        ({"apps": {"shop": 2}}, "2 is no version"),
        ({"percents": {"v2": "5"}}, "the share of v2 must be a number from 0 to 100, got '5'"),
        ({"percents": {"v2": True}}, "the share of v2 must be a number"),
        ({"percents": {"v2": -1}}, "the share of v2 must be a number"),
        ({"percents": {"v2": float("nan")}}, "the share of v2 must be a number"),
        ({"percents": {"v2": 60, "v3": 60}}, "at most, got 120 %"),
        ({"by": "moon"}, "by must be 'request' or 'app', got 'moon'"),
    ],
)
def test_what_is_no_split_is_refused(document: Any, detail: str) -> None:
    with pytest.raises(ConfigError, match=detail):
        read_split(document)


def test_what_cannot_be_read_in_redis_is_no_split() -> None:
    for raw in (b"", b"[]", b'{"percents":{"v2":900}}'):
        with pytest.raises(ValueError):
            decode_split(raw)


def test_side_versions_are_those_of_the_ability() -> None:
    assert side_versions("ocr", ["ocr", "ocr@v3", "ocr@v2", "ocr2@v2", "asr@v2"]) == ["ocr@v2", "ocr@v3"]
