"""Plain JSON in and out, a file alone, and data as the answer: as an application's developer calls."""

import base64
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.conftest import ECHO, ROOT, Stack, serving
from tests.e2e.test_fast_path import WAYS

pytestmark = pytest.mark.e2e

STUDIO = ROOT / "tests" / "abilities" / "studio"
PNG = base64.b64encode((ROOT / "examples" / "digits" / "seven.png").read_bytes()).decode()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An ability with data of every kind, beside echo."""
    with serving(tmp_path_factory.mktemp("studio"), STUDIO, ECHO) as running:
        yield running


def over_all_ways(stack: Stack, path: str, body: Any) -> requests.Response:
    """Returns the answer, which is the same over all ways."""
    answers = [stack.post(path, body, headers=way) for way in WAYS]
    first = answers[0]
    without_id = [{**item.json(), "header": None} for item in answers]
    assert without_id == [without_id[0]] * len(WAYS)
    assert {item.status_code for item in answers} == {first.status_code}
    assert len({item.headers["content-type"] for item in answers}) == 1
    return first


def test_json_is_json(studio: Stack) -> None:
    answer = over_all_ways(studio, "/studio", {"features": [[0.25, 0.5], [1]], "threshold": 0.5})

    assert (answer.status_code, answer.json()) == (200, {"scores": [[0.5], [1]]})
    assert len(answer.headers["athena-job-id"]) == 32


def test_text_is_text_and_parameters_have_types(studio: Stack) -> None:
    answer = over_all_ways(studio, "/studio", {"note": "héllo ", "times": 2, "shout": True})

    assert answer.json() == {"words": "HÉLLO HÉLLO "}


def test_defaults_are_shown_and_filled_in(studio: Stack) -> None:
    params = {spec["key"]: spec for spec in studio.get("/v1/abilities/studio").json()["params"]}
    schema = studio.get("/openapi.json").json()["components"]["schemas"]["studio.Plain"]["properties"]

    assert params["times"]["default"] == schema["times"]["default"] == 1
    assert studio.post("/studio", {"note": "once", "times": None}).json() == {"words": "once"}


@pytest.mark.parametrize("value", [PNG, f"data:image/png;base64,{PNG}"])
def test_data_is_base64(studio: Stack, value: str) -> None:
    answer = over_all_ways(studio, "/v1/private/studio", {"picture": value})

    assert base64.b64decode(answer.json()["drawing"]).startswith(b"\x89PNG")
    assert answer.json()["boxes"][0]["result"][0]["text"] == "here"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"threshold": 2}, "/threshold"),
        ({"threshold": "a"}, "/threshold"),
        ({"mode": "odd"}, "/mode"),
        ({"nothing": 1}, "/nothing"),
        ({"picture": "not base64"}, "/picture"),
        ({"picture": 7}, "/picture"),
        ({"app_id": ""}, "/app_id"),
        ({"request_id": "ä"}, "/request_id"),
        ({"drawing": {"width": "a"}}, "/drawing/width"),
    ],
)
def test_errors_are_as_everywhere_and_point_into_what_was_sent(
    studio: Stack, body: dict[str, Any], pointer: str
) -> None:
    answer = over_all_ways(studio, "/studio", body)

    header = answer.json()["header"]
    assert answer.status_code == 400
    assert header["errors"][0]["pointer"] == pointer
    assert header["code"] in (10163, 10313)


def test_whose_job_it_is_may_be_said_and_need_not(studio: Stack) -> None:
    for body, app_id in (({"note": "a"}, "anonymous"), ({"note": "a", "app_id": "me"}, "me")):
        accepted = studio.post("/studio", body, headers={"Prefer": "respond-async"})

        assert accepted.status_code == 202
        assert accepted.json()["job"]["app_id"] == app_id


def test_a_request_id_finds_the_same_job(studio: Stack) -> None:
    body = {"note": "once", "request_id": "plain-1"}

    first, again = studio.post("/studio", body), studio.post("/studio", body)
    other = studio.post("/studio", {**body, "note": "another"})

    assert first.json() == again.json() == {"words": "once"}
    assert first.headers["athena-job-id"] == again.headers["athena-job-id"]
    assert other.status_code == 409


def test_many_at_once_may_be_plain(studio: Stack) -> None:
    items = [
        {"service_id": "studio", "note": "a"},
        {"service_id": "studio", "threshold": 2},
        {"service_id": "studio", "picture": 7},
        {"service_id": "studio", "features": [[2**70]]},
        {
            "service_id": "studio",
            "header": {"app_id": "me", "status": 3},
            "payload": {"note": {"text": "Yg=="}},
        },
    ]

    first, *refused, exact, last = studio.post("/v1/jobs", items).json()["jobs"]

    assert [item["error"]["errors"][0]["pointer"] for item in refused] == ["/threshold", "/picture"]
    for item, key, expected in (
        (first, "words", b"a"),
        (last, "words", b"b"),
        (exact, "scores", b"[[%d]]" % 2**70),
    ):
        studio.job(item["id"], 30)
        assert studio.get(f"/v1/jobs/{item['id']}/outputs/{key}").content == expected


def test_output_that_is_declared_as_json_is_json(studio: Stack) -> None:
    job_id = studio.submit("studio", {"features": [[1]], "note": "a", "picture": PNG})
    studio.wait_state(job_id, "succeeded")

    types = {
        key: studio.get(f"/v1/jobs/{job_id}/outputs/{key}").headers["content-type"]
        for key in ("scores", "words", "drawing")
    }

    assert types == {
        "scores": "application/json",
        "words": "text/plain; charset=utf-8",
        "drawing": "image/png",
    }


def test_a_failure_is_told_as_everywhere(studio: Stack) -> None:
    answer = over_all_ways(studio, "/studio", {"features": "no rows"})

    assert answer.status_code == 502
    assert answer.json()["header"] is not None


@pytest.mark.parametrize("accept", ["image/png", "image/*", "text/html, image/png;q=0.8"])
def test_whoever_takes_pictures_gets_the_picture(studio: Stack, accept: str) -> None:
    answer = studio.post("/studio", {"picture": PNG}, headers={"Accept": accept})

    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accept", ["*/*", "audio/wav", "application/json", "image/webp"])
def test_whoever_takes_anything_or_something_else_gets_json(studio: Stack, accept: str) -> None:
    answer = studio.post("/studio", {"picture": PNG}, headers={"Accept": accept})

    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["drawing"]


def test_an_envelope_may_ask_for_data_too(studio: Stack) -> None:
    envelope = {"header": {"app_id": "me", "status": 3}, "payload": {"sound": {"audio": "AAAA"}}}

    answer = studio.post("/studio", envelope, headers={"Accept": "audio/*"})

    assert answer.content.startswith(b"RIFF")
    assert answer.headers["content-type"].startswith("audio/")


def test_a_file_alone_is_a_request(studio: Stack) -> None:
    picture = str(ROOT / "examples" / "digits" / "seven.png")
    url = f"{studio.url}/studio"

    form = subprocess.run(["curl", "-s", url, "-F", f"picture=@{picture}"], capture_output=True, check=True)
    drawn = subprocess.run(
        ["curl", "-s", url, "-F", f"picture=@{picture}", "-H", "Accept: image/png"],
        capture_output=True,
        check=True,
    )

    assert json.loads(form.stdout)["boxes"][0]["result"]
    assert drawn.stdout.startswith(b"\x89PNG")


def test_a_form_that_names_its_app_is_answered_with_an_envelope(studio: Stack) -> None:
    answer = requests.post(f"{studio.url}/studio", data={"app_id": "me", "note": "a"}, files={}, timeout=60)
    parts: Any = {"app_id": (None, "me"), "note": (None, "a")}
    form = requests.post(f"{studio.url}/studio", files=parts, timeout=60)

    assert answer.status_code == 415
    assert form.json()["payload"]["words"]["text"] == base64.b64encode(b"a").decode()


def test_an_envelope_without_its_header_is_no_plain_request(studio: Stack) -> None:
    answer = over_all_ways(studio, "/studio", {"payload": {"note": {"text": "YQ=="}}})

    assert answer.status_code == 400
    assert answer.json()["header"]["errors"] == [{"pointer": "/header", "detail": "is required"}]


def test_the_document_says_how(studio: Stack) -> None:
    document = studio.get("/openapi.json").json()
    operation = document["paths"]["/v1/private/studio"]["post"]

    plain = document["components"]["schemas"]["studio.Plain"]["properties"]
    assert plain["threshold"]["maximum"] == 1
    assert plain["picture"]["contentEncoding"] == "base64"
    assert operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"][0] == {
        "$ref": "#/components/schemas/studio.Plain"
    }
    answers = operation["responses"]["200"]["content"]
    assert {*answers} == {"application/json", "image/*", "audio/*"}
