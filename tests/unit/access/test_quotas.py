"""Quotas as data: which one a job counts for, and what its caller is told."""

import pytest

from athena.access.quotas import (
    ALL_OTHERS,
    Quota,
    QuotaBook,
    decode_quotas,
    nothing_left,
    over_quota,
    rate_left,
    read_quota,
)
from athena.errors import ConfigError


def book(proven: bool, **apps: Quota) -> QuotaBook:
    known = QuotaBook(proven)
    known.replace((app.replace("all", ALL_OTHERS), "", quota) for app, quota in apps.items())
    return known


def test_without_quotas_nothing_is_counted() -> None:
    assert QuotaBook(False).find("shop", "echo") == ""
    assert book(False, shop=Quota(jobs=5)).find("other", "echo") == ""


def test_app_and_ability_have_a_text_each() -> None:
    known = QuotaBook(False)
    known.replace([("shop", "", Quota(jobs=5)), ("shop", "ocr", Quota(requests_per_s=2.5, bytes=10))])

    assert known.find("shop", "echo") == "shop\0- - 5 - - -\0"
    assert known.find("shop", "ocr") == "shop\0- - 5 - - -\x002.5 2 - - 10 -"
    known.replace([])
    assert known.find("shop", "ocr") == ""


def test_others_share_one_account_unless_keys_prove_their_names() -> None:
    assert book(False, all=Quota(jobs=5)).find("invented", "echo").startswith("*\0")
    assert book(True, all=Quota(jobs=5)).find("proven", "echo").startswith("proven\0")
    own = book(False, all=Quota(jobs=5), shop=Quota(jobs=7)).find("shop", "echo")
    assert own == "shop\0- - 7 - - -\0"


def test_names_that_strangers_invent_are_not_all_remembered() -> None:
    known = book(False, all=Quota(jobs=5))
    for number in range(12_000):
        known.find(f"app{number}", "echo")

    assert len(known._found) <= 10_000


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ([], "object of limits"),
        ({"job": 5}, "no limit 'job'"),
        ({"jobs": 0}, "jobs must be above 0"),
        ({"jobs": True}, "jobs must be above 0"),
        ({"jobs": "5"}, "jobs must be above 0"),
        ({"jobs": 1.5}, "whole number"),
        ({"requests_per_s": float("nan")}, "above 0"),
        ({"burst": 5}, "needs requests_per_s"),
    ],
)
def test_quota_that_cannot_be_is_refused(document: object, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        read_quota(document)


def test_one_that_cannot_be_read_hides_no_other() -> None:
    found, faults = decode_quotas({b"a": b'{"jobs": 5}', b"b": b"{", b"c\0ocr": b'{"bytes": 9}'})

    assert found == [("a", "", Quota(jobs=5)), ("c", "ocr", Quota(bytes=9))]
    assert len(faults) == 1 and faults[0].startswith("b ")


def test_caller_hears_what_is_left_and_when_all_of_it_is_back() -> None:
    policy, state = rate_left("app 20 5 15")

    assert policy == (b"ratelimit-policy", b'"app";q=20;w=4')
    assert state == (b"ratelimit", b'"app";r=15;t=1')
    assert rate_left("") == ()


def test_refusal_names_the_limit_and_the_remedy() -> None:
    error = over_quota("ability requests 0.5/3 1200", "shop", "ocr")
    assert error.message.startswith("shop may have 0.5 requests a second of ocr (requests_per_s)")
    assert (error.http_status, error.code, error.retry_after_s) == (429, 11203, 2)
    assert over_quota("app bytes 900 1000", "shop", "ocr").message.startswith(
        "shop may have 900 bytes of jobs that wait or are run (bytes)"
    )
    assert nothing_left("app bytes 900 1000")[1] == (b"ratelimit", b'"app-bytes";r=0;t=1')
