"""Many jobs in few requests, without any gateway."""

import json
from pathlib import Path
from typing import Any

import pytest

from athena.client import bulk
from athena.client.calls import Calls
from athena.client.errors import ClientError, RefusedError, UnreachableError
from athena.client.exchange import Lost
from athena.client.job import Job
from tests.unit.client.test_calls import answer, play


@pytest.fixture
def calls() -> Calls:
    return Calls(timeout_s=60, retries=3, app_id="me")


def accepted(*ids: str) -> Any:
    return answered(*({"id": job_id, "url": f"/v1/jobs/{job_id}"} for job_id in ids))


def answered(*jobs: dict[str, Any]) -> Any:
    return answer(200, {"header": {"code": 0, "message": "", "sid": ""}, "jobs": list(jobs)})


def refused(status: int, code: int = 11203) -> dict[str, Any]:
    return {"error": {"code": code, "message": "no", "sid": "", "status": status}}


def test_jobs_go_in_one_request_each_with_an_id(calls: Calls) -> None:
    items: list[dict[str, Any]] = [{"note": "a"}, {"note": "b", "request_id": "mine", "gone": None}]

    found, [ask] = play(calls.submit_many("echo", items, {"text": {"encoding": "gbk"}}), accepted("1", "2"))

    first, second = json.loads(ask.body)
    assert (ask.method, ask.path, len(first.pop("request_id"))) == ("POST", "/v1/jobs", 32)
    assert first == {"service_id": "echo", "app_id": "me", "note": "a", "text": {"encoding": "gbk"}}
    assert second["request_id"] == "mine" and "gone" not in second
    assert [job.id for job in found] == ["1", "2"] and found[0].state == "queued"
    assert found[1].request_id == "mine"


def test_refusals_stand_in_their_places(calls: Calls) -> None:
    found, _ = play(
        calls.submit_many("echo", [{"text": "a"}] * 2, None), answered(refused(400), {"id": "2", "url": "/"})
    )

    assert isinstance(found[0], RefusedError) and (found[0].http_status, found[0].code) == (400, 11203)
    assert isinstance(found[1], Job)


def test_those_that_can_be_taken_later_are_sent_again_alone(calls: Calls) -> None:
    found, asked = play(
        calls.submit_many("echo", [{"text": "a"}, {"text": "b"}, {"text": "c"}], None),
        answered({"id": "1", "url": "/"}, refused(429), refused(400)),
        answered(refused(503)),
        accepted("2"),
    )

    sent = [[item["text"] for item in json.loads(ask.body)] for ask in asked]
    assert sent == [["a", "b", "c"], ["b"], ["b"]]
    ids = [item["request_id"] for ask in asked for item in json.loads(ask.body) if item["text"] == "b"]
    assert len(ids) == 3 and len(set(ids)) == 1
    assert [getattr(item, "id", "") for item in found] == ["1", "2", ""]


def test_what_stays_refused_is_told_after_the_last_try() -> None:
    calls = Calls(timeout_s=60, retries=1, app_id="")

    found, asked = play(
        calls.submit_many("echo", [{"text": "a"}], None), answered(refused(429)), answered(refused(429))
    )

    assert len(asked) == 2 and found[0].http_status == 429 and found[0].request_id


def test_without_retries_nothing_is_sent_again() -> None:
    calls = Calls(timeout_s=60, retries=0, app_id="")

    found, [ask] = play(calls.submit_many("echo", [{"text": "a"}], None), answered(refused(429)))

    assert "request_id" not in json.loads(ask.body)[0] and isinstance(found[0], RefusedError)


def test_many_go_in_several_requests(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_JOBS", 2)
    found, asked = play(
        calls.submit_many("echo", [{"text": str(number)} for number in range(5)], None),
        accepted("0", "1"),
        accepted("2", "3"),
        accepted("4"),
    )
    assert [job.id for job in found] == list("01234") and len(asked) == 3

    monkeypatch.setattr(bulk, "MAX_BYTES", 100)
    _, asked = play(calls.submit_many("echo", [{"text": "a" * 90}] * 2, None), accepted("0"), accepted("1"))
    assert [len(json.loads(ask.body)) for ask in asked] == [1, 1]


def test_what_keeps_all_from_being_queued_is_raised(calls: Calls) -> None:
    closed = answer(401, {"header": {"code": 10405, "message": "send a key", "sid": ""}})

    with pytest.raises(RefusedError, match="send a key"):
        play(calls.submit_many("echo", [{"text": "a"}] * 2, None), closed)
    with pytest.raises(UnreachableError):
        play(calls.submit_many("echo", [{"text": "a"}], None), *[Lost("cut")] * 4)


def test_jobs_that_were_queued_before_a_gateway_was_lost_are_returned(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_JOBS", 1)

    found, _ = play(
        calls.submit_many("echo", [{"text": "a"}, {"text": "b"}], None), accepted("1"), *[Lost("cut")] * 4
    )

    assert isinstance(found[0], Job) and isinstance(found[1], ClientError)


def test_data_are_what_the_ability_declares(calls: Calls, tmp_path: Path) -> None:
    picture = tmp_path / "seven.png"
    picture.write_bytes(b"\x89PNG")
    inputs = [
        {"key": "note", "type": 0},
        {"key": "features", "type": 0, "is_json": True},
        {"key": "picture", "type": 1},
    ]
    item = {"note": b"h\xc3\xa9", "features": b"[1]", "picture": picture}

    _, asked = play(calls.submit_many("studio", [item], None), answer(200, {"inputs": inputs}), accepted("1"))

    [sent] = json.loads(asked[1].body)
    assert (asked[0].path, sent["note"], sent["features"]) == ("/v1/abilities/studio", "hé", [1])
    assert sent["picture"] == "data:image/png;base64,iVBORw=="


def test_value_that_cannot_be_sent_is_named_with_its_place(calls: Calls) -> None:
    described = answer(200, {"inputs": [{"key": "note", "type": 0}]})

    with pytest.raises(ValueError, match="item 1, note is a text"):
        play(calls.submit_many("studio", [{"note": b"a"}, {"note": b"\xff"}], None), described)
    with pytest.raises(ValueError, match="item 0 cannot be sent as JSON: a set is no JSON"):
        play(calls.submit_many("studio", [{"note": {1}}], None))
    with pytest.raises(ValueError, match="'text' is a value and an output"):
        play(calls.submit_many("echo", [{"text": "a"}], {"text": {}}))


def test_nothing_is_sent_for_no_jobs(calls: Calls) -> None:
    assert play(calls.submit_many("echo", [], None)) == ([], [])
