"""What callers do with jobs over HTTP: cancel, try again, send many, list, limit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from athena.errors import (
    CanceledError,
    ExecTimeoutError,
    ExpiredError,
    JobStateError,
    NotFoundError,
    QueueFullError,
    RequestError,
)
from tests.e2e.conftest import ECHO, FAULTY, ROOT, Stack, example, faulty_request, serving, wait_until

pytestmark = pytest.mark.e2e

PATIENT = ROOT / "tests" / "abilities" / "patient"

#: Longer than any of these tests looks on, and within the limit of faulty.
LONG_S = 5


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Abilities that take as long as they are told."""
    with serving(tmp_path_factory.mktemp("life"), FAULTY, PATIENT, ECHO) as running:
        yield running


@pytest.fixture
def life(busy: Stack) -> Iterator[Stack]:
    """The same, left without open jobs by each test."""
    yield busy
    cancel_open(busy)
    assert run(busy)["state"] == "succeeded"


def cancel_open(stack: Stack) -> None:
    """Cancels all jobs that have not ended."""
    for state in ("queued", "running"):
        for job in listed(stack, state=state):
            cancel(stack, job["id"])


def cancel(stack: Stack, job_id: str) -> Any:
    answer = stack.post(f"/v1/jobs/{job_id}/cancel", None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def retry(stack: Stack, job_id: str) -> requests.Response:
    return stack.post(f"/v1/jobs/{job_id}/retry", None)


def run(stack: Stack, **params: Any) -> Any:
    """Runs the ability `faulty`, and returns the ended job."""
    return stack.job(stack.submit("faulty", faulty_request(**params)), 60)


def start_long(stack: Stack, **header: Any) -> str:
    """Returns a job that runs for long."""
    job_id = stack.submit("faulty", limited(LONG_S, **header))
    stack.wait_state(job_id, "running")
    return job_id


def limited(seconds: float, **header: Any) -> dict[str, Any]:
    """Returns a request with more in its header."""
    request = faulty_request(seconds=seconds)
    request["header"].update(header)
    return request


def listed(stack: Stack, **query: Any) -> list[Any]:
    answer = stack.get("/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    jobs: list[Any] = answer.json()["jobs"]
    return jobs


def pages(stack: Stack, **query: Any) -> list[list[str]]:
    """Returns the ids of a listing, page by page."""
    found: list[list[str]] = []
    cursor = ""
    while cursor is not None:
        page = stack.get("/v1/jobs", params={**query, "cursor": cursor}).json()
        found.append([job["id"] for job in page["jobs"]])
        cursor = page["cursor"]
    return found


def patient_request(note: Path, steps: int) -> dict[str, Any]:
    request = faulty_request()
    request["parameter"] = {"patient": {"steps": steps, "note": str(note)}}
    return request


def test_a_queued_job_is_canceled_and_never_starts(life: Stack) -> None:
    first = start_long(life)
    job_id = life.submit("faulty", faulty_request())

    answer = cancel(life, job_id)

    assert answer["job"]["state"] == "canceled"
    assert answer["header"]["code"] == CanceledError.code
    assert life.job(first, 60)["state"] == "succeeded"
    assert run(life)["state"] == "succeeded"
    job = life.job(job_id)
    assert (job["state"], job["attempts"], job["started_ms"]) == ("canceled", 0, None)


def test_a_running_job_is_canceled_at_once_and_its_worker_serves_on(life: Stack) -> None:
    job_id = start_long(life)

    assert cancel(life, job_id)["job"]["state"] == "canceled"
    assert run(life)["state"] == "succeeded"

    assert life.job(job_id)["state"] == "canceled"


def test_an_ended_job_stays_as_it_is_when_it_is_canceled(life: Stack) -> None:
    job = run(life)

    assert cancel(life, job["id"])["job"]["state"] == "succeeded"


def test_a_failed_job_is_tried_again_as_a_new_one(life: Stack) -> None:
    failed = run(life, mode="raise")
    assert failed["state"] == "failed"

    answer = retry(life, failed["id"])

    assert answer.status_code == 202
    new = answer.json()["job"]
    assert new["id"] != failed["id"]
    assert new["retry_of"] == failed["id"]
    assert answer.headers["Location"] == f"/v1/jobs/{new['id']}"
    ended = life.job(new["id"], 60)
    assert (ended["state"], ended["retry_of"]) == ("failed", failed["id"])
    assert life.job(failed["id"])["state"] == "failed"


def test_a_succeeded_or_running_job_is_not_tried_again(life: Stack) -> None:
    succeeded = run(life)["id"]
    running = start_long(life)

    answers = [retry(life, job_id) for job_id in (succeeded, running)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert [answer.json()["header"]["code"] for answer in answers] == [JobStateError.code] * 2


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_an_unknown_job_can_be_neither_canceled_nor_tried_again(life: Stack, verb: str) -> None:
    answer = life.post(f"/v1/jobs/{'0' * 32}/{verb}", None)

    assert answer.status_code == 404
    assert answer.json()["header"]["code"] == NotFoundError.code


def test_each_of_many_jobs_is_accepted_or_refused_alone(life: Stack) -> None:
    good = {"service_id": "echo", **example("echo")}
    bad = [{**good, "service_id": "nobody"}, {"service_id": "echo", "header": {}}, 7, example("echo")]
    items = [good, *bad, good]

    answer = life.post("/v1/jobs", items)

    assert answer.status_code == 200
    jobs = answer.json()["jobs"]
    assert [set(job) for job in jobs] == [{"id", "url"}, *[{"error"}] * 4, {"id", "url"}]
    errors = [(job["error"]["status"], job["error"]["code"]) for job in jobs[1:5]]
    assert errors == [(404, NotFoundError.code), *[(400, RequestError.code)] * 3]
    assert jobs[0]["id"] != jobs[5]["id"]
    for job in (jobs[0], jobs[5]):
        assert life.job(job["id"], 60)["state"] == "succeeded"
        assert life.get(job["url"]).json()["payload"]["text"]["text"] == "aGVsbG8="


def test_more_jobs_than_may_come_at_once_are_refused(life: Stack) -> None:
    answer = life.post("/v1/jobs", [1] * 1001)

    assert answer.status_code == 400
    assert answer.json()["header"]["code"] == RequestError.code


def test_jobs_are_listed_by_state_and_ability(life: Stack) -> None:
    failed = run(life, mode="raise")["id"]
    canceled = life.submit("faulty", faulty_request(seconds=1))
    cancel(life, canceled)
    running = start_long(life)
    echoed = life.submit("echo", example("echo"))
    life.wait_state(echoed, "succeeded")

    def ids(**query: Any) -> set[str]:
        return {job["id"] for job in listed(life, **query)}

    everything = {failed, canceled, running, echoed}
    assert ids() & everything == everything
    assert ids(service_id="faulty") & everything == everything - {echoed}
    assert ids(service_id="echo") & everything == {echoed}
    for state, job_id in (("failed", failed), ("canceled", canceled), ("running", running)):
        assert ids(state=state) & everything == {job_id}
    assert ids(service_id="echo", state="succeeded") & everything == {echoed}
    assert ids(service_id="echo", state="failed") & everything == set()
    assert all(job["state"] == "failed" for job in listed(life, state="failed"))


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "state=tired"])
def test_a_listing_that_cannot_be_is_refused(life: Stack, query: str) -> None:
    assert life.get(f"/v1/jobs?{query}").status_code == 400


def test_a_cursor_leads_through_a_listing_without_gaps_and_repetitions(life: Stack) -> None:
    items = [{"service_id": "echo", **limited(0, app_id="pages")} for _ in range(7)]
    for item in items:
        item["parameter"] = {}
    sent = [job["id"] for job in life.post("/v1/jobs", items).json()["jobs"]]
    for job_id in sent:
        life.wait_state(job_id, "succeeded")

    found = pages(life, app_id="pages", limit=3)

    assert max(map(len, found)) == 3
    assert sorted(item for page in found for item in page) == sorted(sent)


def test_a_run_ends_at_the_limit_that_its_header_names(life: Stack) -> None:
    job_id = life.submit("faulty", limited(LONG_S, max_exec_s=0.5))

    answer = life.get(f"/v1/jobs/{job_id}?wait=60").json()

    assert answer["job"]["state"] == "timed_out"
    assert answer["header"]["code"] == ExecTimeoutError.code


def test_a_job_expires_that_waits_longer_than_its_header_allows(life: Stack) -> None:
    first = start_long(life)
    job_id = life.submit("faulty", limited(0, max_queue_s=0.5))

    answer = life.get(f"/v1/jobs/{job_id}?wait=60").json()

    assert answer["job"]["state"] == "expired"
    assert answer["job"]["attempts"] == 0
    assert answer["header"]["code"] == ExpiredError.code
    assert life.job(first, 60)["state"] == "succeeded"


def test_a_full_queue_says_when_to_come_again(life: Stack) -> None:
    start_long(life)

    def refused() -> Any:
        headers = {"Prefer": "respond-async"}
        answer = life.post("/faulty", faulty_request(seconds=0.2), headers=headers)
        # An answer that is an error counts as false.
        return [answer] if answer.status_code != 202 else None

    (answer,) = wait_until(refused, 60, "the queue is full")

    assert answer.status_code == 429
    assert answer.json()["header"]["code"] == QueueFullError.code
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    queued = "/v1/jobs?state=queued&service_id=faulty"
    wait_until(lambda: not life.get(queued).json()["jobs"], 60, "the queue is worked off")


def test_progress_is_visible_while_a_job_runs(life: Stack, tmp_path: Path) -> None:
    job_id = life.submit("patient", patient_request(tmp_path / "note", 30))
    seen: list[float] = []

    def ended() -> bool:
        job = life.job(job_id)
        if job["state"] == "running" and job["progress"] is not None:
            seen.append(job["progress"])
        return bool(job["state"] == "succeeded")

    wait_until(ended, 60, "the job ends")

    assert len(set(seen)) > 1
    assert seen == sorted(seen)
    assert all(0 < value <= 1 for value in seen)
    assert not (tmp_path / "note").exists()


def test_a_wrapper_hears_that_its_job_is_canceled(life: Stack, tmp_path: Path) -> None:
    note = tmp_path / "note"
    job_id = life.submit("patient", patient_request(note, 500))
    wait_until(lambda: life.job(job_id)["progress"], 30, "progress")

    assert cancel(life, job_id)["job"]["state"] == "canceled"

    wait_until(note.exists, 30, "the wrapper ended early")
    after = life.submit("patient", patient_request(tmp_path / "other", 1))
    assert life.job(after, 60)["state"] == "succeeded"
    assert life.job(job_id)["state"] == "canceled"
