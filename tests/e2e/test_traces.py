"""Traces: from the caller's over HTTP, queue and batch to the worker's, with a collector and without one."""

import base64
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.collector import Collector, Received
from tests.e2e.conftest import ATHENA, Stack, serving, wait_until

pytestmark = pytest.mark.e2e

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

WRAPPER = """
import time

from athena.sdk import NumberParamField, Response, ResponseData, StringBodyField, WrapperBase, job, metrics

CALLS = metrics.counter("calls", "calls of this wrapper", labels=("kind",))


class UserRequest:
    seconds = NumberParamField(key="seconds", maximum=60)
    text = StringBodyField(key="text")


class UserResponse:
    accept_text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config):
        return 0

    def wrapperBatchExec(self, params_list, data_list, *args):
        CALLS.add(len(params_list), kind="batch")
        time.sleep(max(float(params.get("seconds", 0)) for params in params_list))
        return [_answer(params) for params in params_list]

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        CALLS.add(kind="once")
        time.sleep(float(params.get("seconds", 0)))
        return _answer(params)


def _answer(params):
    response = Response()
    answer = ResponseData(key="text")
    answer.setData(job.traceparent(params["sid"]))
    response.list = [answer]
    return response
"""

OPTIONS = """
[worker]
max_batch = 8
max_wait_ms = 500
slots = 16
"""


def request(seconds: float = 0) -> dict[str, Any]:
    return {
        "header": {"app_id": "shop", "status": 3},
        "parameter": {"slow": {"seconds": seconds}},
        "payload": {"text": {"text": "aGk="}},
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("traced")
    ability = folder / "slow"
    ability.mkdir()
    (ability / "wrapper.py").write_text(WRAPPER)
    (ability / "ability.toml").write_text(OPTIONS)
    # Of those who say nothing of traces next to none is traced.
    environment = {
        "ATHENA_TRACE_RATIO": "0.000001",
        "ATHENA_TRACE_SLOW_S": "0.5",
        "ATHENA_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with serving(folder, ability, **environment) as running:
        yield running


def ask(stack: Stack, seconds: float = 0, trace: str = TRACE, flags: str = "01") -> str:
    """Returns the id of a job whose caller traces it."""
    header = {"traceparent": f"00-{trace}-{CALLER}-{flags}"}
    answer = stack.post("/slow", request(seconds), headers=header)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["header"]["sid"])


def the(spans: list[Received], name: str) -> Received:
    (found,) = (span for span in spans if span.name == name)
    return found


def athena(stack: Stack, *words: str) -> str:
    command = [*ATHENA, *words, "--redis", stack.redis_url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_slow_call_is_in_the_trace_of_its_caller(traced: Stack, collector: Collector) -> None:
    job_id = ask(traced, seconds=0.8)

    wait_until(lambda: len(collector.of_trace(TRACE)) >= 5, 60, "the collector has its spans")
    spans = collector.of_trace(TRACE)
    call, queue, stay = the(spans, "POST slow"), the(spans, "queue slow"), the(spans, "job slow")
    wait, run = the(spans, "wait"), the(spans, "run")
    assert call.parent_id == CALLER
    assert queue.parent_id == stay.parent_id == call.span_id
    assert wait.parent_id == run.parent_id == stay.span_id
    assert (call.service, stay.service) == ("athena-gateway", "athena-worker")
    assert run.seconds >= 0.8 and call.seconds >= run.seconds
    assert call.attributes["athena.job_id"] == stay.attributes["athena.job_id"] == job_id
    assert call.attributes["http.response.status_code"] == 200
    assert stay.attributes["athena.state"] == "succeeded"


def test_trace_of_a_slow_call_is_shown_without_a_collector(traced: Stack) -> None:
    job_id = ask(traced, seconds=0.8, trace="a" * 32)

    shown = wait_until(lambda: _shown(traced, job_id), 60, "the gateway's span is kept")
    lines = shown.splitlines()
    assert lines[0] == f"trace {'a' * 32}"
    assert [line.split("  ")[0] for line in lines[2:4]] == ["POST slow", ""]
    assert "    run" in shown and "####" in shown
    assert job_id in athena(traced, "jobs", "traces")


def _shown(stack: Stack, job_id: str) -> str:
    shown = athena(stack, "jobs", "show", "--trace", job_id)
    return shown if "POST slow" in shown else ""


def test_jobs_that_share_a_call_are_linked(traced: Stack, collector: Collector) -> None:
    traces = [f"{number:032x}" for number in range(1, 4)]
    threads = [threading.Thread(target=ask, args=(traced, 0.1, trace)) for trace in traces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def runs() -> list[Received]:
        spans = [span for trace in traces for span in collector.of_trace(trace) if span.name == "run"]
        return spans if len(spans) == 3 else []

    found = wait_until(runs, 60, "the collector has the runs of all three")
    ids = {span.span_id for span in found}
    shared = [span for span in found if span.links]
    assert len(shared) >= 2
    assert all(set(span.links) < ids and span.span_id not in span.links for span in shared)


def test_wrapper_can_pass_the_trace_on(traced: Stack, collector: Collector) -> None:
    trace = "b" * 32

    answer = traced.post("/slow", request(), headers={"traceparent": f"00-{trace}-{CALLER}-01"}).json()

    told = base64.b64decode(answer["payload"]["text"]["text"]).decode()
    wait_until(lambda: len(collector.of_trace(trace)) >= 5, 60, "the collector has its spans")
    assert told == f"00-{trace}-{the(collector.of_trace(trace), 'run').span_id}-01"


def test_caller_who_does_not_trace_is_not_traced(traced: Stack, collector: Collector) -> None:
    trace = "c" * 32
    ask(traced, trace=trace, flags="00")
    ask(traced, trace="d" * 32)

    wait_until(lambda: len(collector.of_trace("d" * 32)) >= 5, 60, "the collector has what came later")
    assert collector.of_trace(trace) == []


def test_job_that_was_not_traced_shows_what_its_record_tells(traced: Stack) -> None:
    job_id = traced.submit("slow", request(0.1))
    traced.wait_state(job_id, "succeeded")

    shown = athena(traced, "jobs", "show", "--trace", job_id)

    assert "started .. succeeded" in shown


def test_metrics_name_a_trace_that_shows_a_time(traced: Stack) -> None:
    trace = "e" * 32
    ask(traced, 0.2, trace)

    def page() -> str:
        answer = traced.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        return answer.text if answer.text.count(trace) >= 4 else ""

    text = wait_until(page, 60, "it is an example of a run, a wait, a total time and a request")
    shown = {line.partition("_bucket")[0] for line in text.splitlines() if trace in line}
    assert shown == {f"athena_job_{what}_seconds" for what in ("run", "queue_wait", "total")} | {
        "athena_http_request_seconds"
    }
    assert trace not in traced.get("/metrics").text


def test_wrappers_own_counts_and_waits_for_its_calls_are_in_metrics(traced: Stack) -> None:
    traced.wait_state(traced.submit("slow", request()), "succeeded")

    def told() -> bool:
        page = traced.get("/metrics").text
        return (
            'athena_wrapper_calls_total{service_id="slow",kind=' in page
            and 'athena_job_batch_wait_seconds_count{service_id="slow",gpu_type="cpu"}' in page
        )

    wait_until(told, 60, "the worker has told of them")


def test_collector_that_is_away_keeps_no_process_from_its_end(tmp_path: Path) -> None:
    ability = tmp_path / "slow"
    ability.mkdir()
    (ability / "wrapper.py").write_text(WRAPPER)
    environment = {"ATHENA_TRACE_RATIO": "1", "ATHENA_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with serving(tmp_path, ability, **environment) as stack:
        ask(stack)
        assert stack.stop(timeout_s=30) == 0
        assert "killed" not in stack.log
