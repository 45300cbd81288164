"""The HTTP surface, against a real stack."""

import base64
import copy
import gzip
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.e2e.conftest import Stack, example, faulty_request, wait_until

pytestmark = pytest.mark.e2e

Change = Callable[[Any], Any]


@pytest.mark.parametrize(
    "path", ["/echo", "/v1/private/echo", "/echo/", "/any/thing/echo", "/?serviceId=echo"]
)
def test_every_path_form_reaches_the_ability(stack: Stack, path: str) -> None:
    answer = stack.post(path, example("echo"))

    assert answer.status_code == 200
    assert answer.json()["payload"]["text"]["text"] == "aGVsbG8="


def test_the_answer_echoes_attributes_and_says_what_ran(stack: Stack) -> None:
    request = example("echo")
    request["parameter"]["echo"].update(gpu_type="T4G16", suffix="!")

    answer = stack.post("/echo", request).json()

    assert answer["header"]["code"] == 0
    assert answer["header"]["gpu_type"] == "cpu"
    assert re.fullmatch("[0-9a-f]{32}", answer["header"]["sid"])
    expected = {"encoding": "utf8", "compress": "raw", "format": "plain", "seq": 0, "status": 3}
    assert answer["payload"]["text"] == {**expected, "text": "aGVsbG8h"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://evil.example", "Host": "evil.example"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_somebody_else_can_neither_run_nor_cancel_nor_read_jobs(
    stack: Stack, headers: dict[str, str]
) -> None:
    job_id = stack.submit("echo", example("echo"))
    form = {"app_id": (None, "me"), "text": (None, "hi")}

    assert stack.post("/echo", example("echo"), headers=headers).status_code == 403
    assert requests.post(f"{stack.url}/echo", files=form, headers=headers, timeout=30).status_code == 403
    assert stack.post("/v1/jobs", [], headers=headers).status_code == 403
    refused = stack.post(f"/v1/jobs/{job_id}/cancel", None, headers=headers)
    assert (refused.status_code, refused.json()["header"]["code"]) == (403, 10163)
    if "Host" in headers:
        assert stack.get(f"/v1/jobs/{job_id}", headers=headers).status_code == 403
    assert stack.wait_state(job_id, "succeeded")


def test_ordinary_clients_and_own_pages_are_answered(stack: Stack) -> None:
    for host in (f"127.0.0.1:{stack.port}", f"localhost:{stack.port}", "[::1]:1", "10.1.2.3"):
        for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
            assert stack.post("/echo", example("echo"), headers=headers).status_code == 200, headers


def _set(*path: str, to: Any) -> Change:
    def change(document: Any) -> Any:
        place = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to
        return document

    return change


def _drop(*path: str) -> Change:
    def change(document: Any) -> Any:
        place = document
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]
        return document

    return change


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (_drop("header"), 10163, "/header"),
        (_drop("header", "app_id"), 10313, "/header/app_id"),
        (_set("header", "app_id", to=""), 10313, "/header/app_id"),
        (_drop("payload"), 10163, "/payload"),
        (_set("payload", to=None), 10163, "/payload"),
        (_set("extra", to=1), 10163, "/extra"),
        (_set("header", "extra", to=1), 10163, "/header/extra"),
        (_set("parameter", "extra", to={}), 10163, "/parameter/extra"),
        (_set("parameter", "echo", "extra", to=1), 10163, "/parameter/echo/extra"),
        (_set("parameter", "echo", "text", "x/y", to=1), 10163, "/parameter/echo/text/x~1y"),
        (_set("payload", "extra", to={}), 10163, "/payload/extra"),
        (_set("payload", "text", "extra", to=1), 10163, "/payload/text/extra"),
        (_set("header", "status", to="3"), 10163, "/header/status"),
        (_set("header", "uid", to=5), 10163, "/header/uid"),
        (_set("header", to=[]), 10163, "/header"),
        (_set("payload", "text", "text", to="a b c"), 10163, "/payload/text/text"),
        (_set("payload", "text", "text", to="aGVsbG8"), 10163, "/payload/text/text"),
        (lambda document: [document], 10163, ""),
        (lambda document: None, 10163, ""),
    ],
)
def test_a_bad_request_is_refused_with_a_pointer_to_the_place(
    stack: Stack, change: Change, code: int, pointer: str
) -> None:
    answer = requests.post(f"{stack.url}/echo", json=change(example("echo")), timeout=30)
    if change(example("echo")) is None:
        answer = requests.post(
            f"{stack.url}/echo",
            data="null",
            headers={"Content-Type": "application/json"},
            timeout=30,
        )

    assert answer.status_code == 400
    header = answer.json()["header"]
    assert header["code"] == code
    assert [problem["pointer"] for problem in header["errors"]] == [pointer]


def test_null_passes_where_the_protocol_lets_it(stack: Stack) -> None:
    request = example("echo")
    request["header"].update(request_id=None, uid=None, net_type=None, patch_id=None)
    request["parameter"]["echo"].update(gpu_type=None, suffix=None)
    request["payload"]["text"]["encoding"] = None

    assert stack.post("/echo", request).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{not json", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"{}", "application/xml", 415),
        (b"{}", "", 415),
        (b"[]", "application/json; charset=utf-8", 400),
    ],
)
def test_what_is_not_json_is_refused(stack: Stack, body: bytes, content_type: str, status: int) -> None:
    answer = requests.post(f"{stack.url}/echo", data=body, headers={"Content-Type": content_type}, timeout=30)

    assert answer.status_code == status
    assert answer.json()["header"]["code"] == 10163


def test_a_body_over_the_limit_is_refused_before_it_is_read(stack: Stack) -> None:
    size = 10**12
    head = (
        f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as connection:
        connection.sendall(head.encode() + b"x" * 1000)
        connection.settimeout(30)
        answer = ""
        while '"errors"' not in answer:
            piece = connection.recv(65536)
            assert piece, f"closed after {answer!r}"
            answer += piece.decode()

    assert answer.startswith("HTTP/1.1 413")
    assert '"code":10163' in answer
    assert "connection: close" in answer.lower()


def test_a_chunked_body_over_the_limit_is_refused(stack: Stack) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(400):
            yield b"x" * 65536

    answer = requests.post(
        f"{stack.url}/echo",
        data=chunks(),
        headers={"Content-Type": "application/json"},
        timeout=60,
    )

    assert answer.status_code == 413
    assert stack.post("/echo", example("echo")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/nothing", 404),
        ("POST", "/v2/private/echo", 404),
        ("POST", "/v1/nothing", 404),
        ("POST", "/v1/jobs", 400),
        ("GET", "/v1/jobs/nothing", 404),
        ("GET", "/v1/jobs/" + "0" * 32, 404),
        ("GET", "/v1/abilities/nothing", 404),
        ("GET", "/v1/jobs/x?wait=-1", 400),
        ("GET", "/nothing", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/../index.html", 404),
        ("DELETE", "/nothing", 404),
        ("GET", "/echo", 405),
        ("GET", "/v1/private/echo", 405),
        ("GET", "/v1/jobs/x/cancel", 405),
        ("DELETE", "/echo", 405),
    ],
)
def test_what_is_not_there_is_answered_with_the_envelope(
    stack: Stack, method: str, path: str, status: int
) -> None:
    answer = requests.request(method, stack.url + path, json=example("echo"), timeout=30)

    assert answer.status_code == status
    assert answer.json()["header"]["code"] in (10404, 10163)


def test_an_asynchronous_job_is_polled_by_its_id(stack: Stack) -> None:
    accepted = stack.post("/echo", example("echo"), headers={"Prefer": "respond-async"})

    assert accepted.status_code == 202
    assert accepted.headers["Location"] == accepted.json()["urls"]["job"]
    assert "Retry-After" in accepted.headers
    final = stack.get(accepted.headers["Location"], params={"wait": 30}).json()
    assert final["job"]["state"] == "succeeded"
    assert final["header"]["gpu_type"] == "cpu"
    assert final["payload"]["text"]["text"] == "aGVsbG8="
    assert final["job"]["queued_ms"] <= final["job"]["started_ms"] <= final["job"]["finished_ms"]


def test_a_request_id_names_the_job_and_repeats_attach_to_it(stack: Stack) -> None:
    request = example("echo")
    request["header"]["request_id"] = f"test-{time.time_ns()}"

    first = stack.post("/echo", request).json()
    second = stack.post("/echo", request).json()
    found = stack.get(f"/v1/jobs/{request['header']['request_id']}").json()
    request["payload"]["text"]["text"] = "b3RoZXI="
    conflict = stack.post("/echo", request)

    assert first["header"]["sid"] == second["header"]["sid"] == found["header"]["sid"]
    assert found["payload"] == first["payload"]
    assert conflict.status_code == 409


def test_a_request_id_of_two_apps_is_ambiguous(stack: Stack) -> None:
    request = example("echo")
    request_id = request["header"]["request_id"] = f"both-{time.time_ns()}"
    sids = {}
    for app_id in ("app-a", "app-b"):
        request["header"]["app_id"] = app_id
        sids[app_id] = stack.post("/echo", request).json()["header"]["sid"]

    ambiguous = stack.get(f"/v1/jobs/{request_id}")
    named = stack.get(f"/v1/jobs/{request_id}", params={"app_id": "app-b"})

    assert ambiguous.status_code == 400
    assert "app_id" in ambiguous.json()["header"]["message"]
    assert named.json()["header"]["sid"] == sids["app-b"] != sids["app-a"]


def test_a_large_input_and_a_large_answer_come_through(stack: Stack) -> None:
    request = example("echo")
    request["payload"]["text"]["text"] = "QUJD" * 1_000_000

    answer = stack.post("/echo", request)

    assert answer.json()["payload"]["text"]["text"] == request["payload"]["text"]["text"]


def test_abilities_tell_what_is_served(stack: Stack) -> None:
    def described() -> Any:
        document = stack.get("/v1/abilities/mmocr").json()
        # Workers that serve are known about a second later.
        return document if document["workers"] else None

    shown = wait_until(described, 30, "the gateway knows the worker")
    listed = stack.get("/v1/abilities").json()["abilities"]

    assert [ability["service_id"] for ability in listed] == ["echo", "mmocr"]
    assert [(item["key"], item["type"]) for item in shown["inputs"]] == [("data", 2)]
    assert [(item["key"], item["type"]) for item in shown["outputs"]] == [("boxes", 0)]
    assert [worker["gpu_type"] for worker in shown["workers"]] == ["cpu"]
    assert shown["example"]["header"]["app_id"]


def test_probes_answer(stack: Stack) -> None:
    assert stack.get("/livez").json() == {"live": True}
    assert stack.get("/readyz").json()["ready"] is True


@pytest.mark.parametrize(
    ("mode", "code", "text"),
    [
        ("raise", 10909, "RuntimeError: the model is not in the mood"),
        ("exit", 10909, "SystemExit: 3"),
        ("none", 30003, "returned nothing"),
        ("code", 10909, "the wrapper's own words;code=42"),
        ("undeclared", 10106, "'surprise' is not declared"),
    ],
)
def test_a_failing_wrapper_fails_its_job_alone(faulty: Stack, mode: str, code: int, text: str) -> None:
    answer = faulty.post("/faulty", faulty_request(mode=mode))

    assert answer.status_code == 502
    header = answer.json()["header"]
    assert header["code"] == code
    assert text in header["message"]
    assert "Traceback" not in answer.text and "wrapper.py" not in answer.text
    assert faulty.post("/faulty", faulty_request()).status_code == 200


def test_a_wrappers_traceback_is_logged_with_the_job_id(faulty: Stack) -> None:
    answer = faulty.post("/faulty", faulty_request(mode="raise"))

    sid = answer.json()["header"]["sid"]
    wait_until(lambda: f"job {sid}: wrapperOnceExec raised" in faulty.log, 60, "log line")
    after = faulty.log.split(f"job {sid}: wrapperOnceExec raised")[1]
    assert "Traceback" in after and "the model is not in the mood" in after


@pytest.mark.parametrize("mode", ["os_exit", "segfault"])
def test_a_wrapper_that_kills_its_process_costs_only_its_job(faulty: Stack, mode: str) -> None:
    # Three deaths take longer than a caller of this ability waits, on a slow machine.
    accepted = faulty.post("/faulty", faulty_request(mode=mode), headers={"Prefer": "respond-async"}).json()
    final = faulty.get(accepted["urls"]["job"], params={"wait": 60}).json()

    assert final["job"]["state"] == "poisoned"
    assert final["header"]["code"] == 10109
    wait_until(lambda: faulty.post("/faulty", faulty_request()).status_code == 200, 60, "worker is back")


def test_a_run_past_its_limit_is_ended(faulty: Stack) -> None:
    accepted = faulty.post("/faulty", faulty_request(seconds=600), headers={"Prefer": "respond-async"}).json()

    final = faulty.get(accepted["urls"]["job"], params={"wait": 60}).json()

    assert final["job"]["state"] == "timed_out"
    assert final["header"]["code"] == 10102
    assert "max_exec_s" in final["header"]["message"]
    wait_until(lambda: faulty.post("/faulty", faulty_request()).status_code == 200, 60, "worker is back")


def test_a_call_that_waits_too_long_is_answered_504_and_its_job_canceled(faulty: Stack) -> None:
    answer = faulty.post("/faulty", faulty_request(seconds=4))

    assert answer.status_code == 504
    assert answer.json()["header"]["code"] == 10114


def test_wait_answers_202_when_the_job_goes_on(faulty: Stack) -> None:
    answer = faulty.post("/faulty", faulty_request(seconds=1.5), headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    job = answer.json()["urls"]["job"]
    assert faulty.get(job, params={"wait": 30}).json()["job"]["state"] == "succeeded"


def test_a_running_job_is_shown_as_running(faulty: Stack) -> None:
    accepted = faulty.post("/faulty", faulty_request(seconds=3), headers={"Prefer": "respond-async"}).json()

    def state() -> Any:
        return faulty.get(accepted["urls"]["job"]).json()["job"]["state"]

    wait_until(lambda: state() == "running", 30, "running")
    wait_until(lambda: state() == "succeeded", 30, "succeeded")


def test_a_caller_who_hangs_up_cancels_the_job(faulty: Stack) -> None:
    faulty.post("/faulty", faulty_request())
    blocker = faulty.post("/faulty", faulty_request(seconds=5), headers={"Prefer": "respond-async"}).json()
    marker = f"gone-{time.time_ns()}"
    body = copy.deepcopy(faulty_request())
    body["header"]["uid"] = marker
    with pytest.raises(requests.Timeout):
        faulty.post("/faulty", body, timeout=1)

    import redis

    with redis.Redis.from_url(faulty.redis_url) as client:

        def canceled() -> bool:
            return any(
                client.hget(key, "state") == b"canceled"
                for key in client.scan_iter("athena:job:*")
                if client.hget(key, "message") == b"canceled: the caller did not wait for it"
            )

        wait_until(canceled, 60, "canceled")
    faulty.get(blocker["urls"]["job"], params={"wait": 30})


def test_same_request_id_and_body_to_two_abilities_are_two_jobs(faulty: Stack) -> None:
    request_id = f"order-{time.time_ns()}"
    header = {"app_id": "demo", "status": 3, "request_id": request_id}
    envelope = {"header": header, "payload": {"text": {"text": "aGVsbG8="}}}
    service_ids = ("faulty", "echo", "faulty", "echo")

    def bulk_id(service_id: str) -> str:
        item = {
            **envelope,
            "header": {**header, "request_id": f"{request_id}-bulk"},
            "service_id": service_id,
        }
        job_id: str = faulty.post("/v1/jobs", [item]).json()["jobs"][0]["id"]
        return job_id

    by_path = [faulty.post(f"/v1/private/{name}", envelope).json()["header"]["sid"] for name in service_ids]
    by_query = [faulty.post(f"/?serviceId={name}", envelope).json()["header"]["sid"] for name in service_ids]
    in_bulk = [bulk_id(name) for name in service_ids]

    assert by_path == by_query == by_path[:2] * 2
    assert in_bulk == in_bulk[:2] * 2
    for job_ids in (by_path, in_bulk):
        assert [faulty.job(job_id)["service_id"] for job_id in job_ids[:2]] == ["faulty", "echo"]
    assert faulty.get(f"/v1/jobs/{request_id}").status_code == 400
    named = faulty.get(f"/v1/jobs/{request_id}", params={"service_id": "echo"}).json()
    assert named["header"]["sid"] == by_path[1]
    assert faulty.get(f"/v1/jobs/{request_id}", params={"service_id": "other"}).status_code == 404


def test_two_callers_of_one_request_id_get_one_run(faulty: Stack) -> None:
    request = faulty_request(seconds=1)
    request["header"]["request_id"] = f"twice-{time.time_ns()}"
    answers: list[Any] = []

    def call() -> None:
        answers.append(faulty.post("/faulty", request).json())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({answer["header"]["sid"] for answer in answers}) == 1
    assert all(answer["header"]["code"] == 0 for answer in answers)


def test_a_full_queue_refuses_at_once(faulty: Stack) -> None:
    accepted = []
    refused = None
    for _ in range(60):
        answer = faulty.post("/faulty", faulty_request(seconds=0.3), headers={"Prefer": "respond-async"})
        if answer.status_code == 429:
            refused = answer
            break
        accepted.append(answer.json()["urls"]["job"])

    assert refused is not None
    assert refused.json()["header"]["code"] == 10110
    assert int(refused.headers["Retry-After"]) >= 1
    for job in accepted:
        assert faulty.get(job, params={"wait": 60}).json()["job"]["state"] == "succeeded"


def coded_request(data: bytes, **attributes: str) -> Any:
    request = example("echo")
    request["payload"]["text"] = {"text": base64.b64encode(data).decode(), **attributes}
    request["parameter"]["echo"]["text"] = attributes
    return request


def test_packed_text_in_another_encoding_comes_back_as_it_was_asked_for(stack: Stack) -> None:
    packed = gzip.compress("识别文字".encode("gbk"))
    request = coded_request(packed, compress="gzip", encoding="gbk")
    request["parameter"]["echo"]["suffix"] = "!"

    output = stack.post("/echo", request).json()["payload"]["text"]

    assert gzip.decompress(base64.b64decode(output["text"])).decode("gbk") == "识别文字!"
    assert (output["compress"], output["encoding"]) == ("gzip", "gbk")


@pytest.mark.parametrize(
    ("data", "attributes", "detail"),
    [
        (b"no gzip", {"compress": "gzip"}, "is not gzip data"),
        (gzip.compress(b"\0" * 100_000_000), {"compress": "gzip"}, "has more than 67108864 bytes"),
        (b"\xff\xff", {"encoding": "gbk"}, "is not gbk"),
    ],
)
def test_input_that_is_not_what_it_says_is_refused_with_its_place(
    stack: Stack, data: bytes, attributes: dict[str, str], detail: str
) -> None:
    answer = stack.post("/echo", coded_request(data, **attributes))

    assert answer.status_code == 400
    assert answer.json()["header"]["code"] == 10163
    assert f"/payload/text/text {detail}" in answer.json()["header"]["message"]
    assert stack.post("/echo", example("echo")).status_code == 200


def test_one_output_is_fetched_as_bytes(stack: Stack) -> None:
    request = coded_request("识别".encode(), encoding="gbk")
    request["payload"]["text"]["encoding"] = "utf8"
    job = stack.post("/echo", request, headers={"Prefer": "wait=30"}).json()["header"]["sid"]

    answer = stack.get(f"/v1/jobs/{job}/outputs/text")

    assert answer.content.decode("gbk") == "识别"
    assert answer.headers["Content-Type"] == "text/plain; charset=gbk"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_output_that_is_not_there_is_404(stack: Stack) -> None:
    job = stack.post("/echo", example("echo"), headers={"Prefer": "wait=30"}).json()["header"]["sid"]

    for path in (f"/v1/jobs/{job}/outputs/picture", "/v1/jobs/nobody/outputs/text"):
        answer = stack.get(path)

        assert answer.status_code == 404
        assert answer.json()["header"]["code"] == 10404
