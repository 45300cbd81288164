"""Operators see and mend what is wrong: `athena jobs`, `dead`, `queues`, `workers`, and `/v1/admin`."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis
import requests

from athena.protocol.interface import Interface
from tests.e2e.conftest import ATHENA, ECHO, FAULTY, ROOT, Stack, example, faulty_request, serving, wait_until

pytestmark = pytest.mark.e2e

TOKEN = "open sesame, please"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose operators have a token."""
    with serving(tmp_path_factory.mktemp("site"), FAULTY, ECHO, ATHENA_ADMIN_TOKEN=TOKEN) as running:
        yield running


def athena(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of an operator."""
    command = [*ATHENA, *arguments, "--redis", stack.redis_url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def told(stack: Stack, *arguments: str) -> Any:
    """Returns what a command prints as JSON."""
    done = athena(stack, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def table(stack: Stack, *arguments: str) -> str:
    """Returns what a command prints for people."""
    done = athena(stack, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def admin(stack: Stack, method: str, path: str) -> Any:
    """Returns what the admin API answers."""
    answer = requests.request(method, f"{stack.url}/v1/admin{path}", headers=BEARER, timeout=60)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def failed_job(stack: Stack) -> str:
    job_id = stack.submit("faulty", faulty_request(mode="raise"))
    stack.wait_state(job_id, "failed")
    return job_id


def test_jobs_are_found_by_why_they_failed(site: Stack) -> None:
    job_id, other_id = failed_job(site), site.submit("faulty", faulty_request(mode="code"))
    site.wait_state(other_id, "failed")

    found = [job["id"] for job in told(site, "jobs", "ls", "--error", "NOT in the mood")]
    shown = table(site, "jobs", "ls", "--error", "not in the mood", "--limit", "1")

    assert job_id in found and other_id not in found
    assert re.search(r"^ID +ABILITY +STATE +QUEUED +TOOK +ATTEMPTS +WORKER +WHY\n", shown)
    assert re.search(rf"^{found[0]} .* \d+(\.\d)? m?s +1 ", shown, re.MULTILINE) and shown.count("\n") == 2
    assert told(site, "jobs", "ls", "--error", "nobody says that") == []


def test_times_of_a_job_are_told_to_people_as_they_read_them(site: Stack) -> None:
    job_id = failed_job(site)

    shown = table(site, "jobs", "show", job_id)

    assert re.search(r"^queued_ms +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$", shown, re.MULTILINE)
    assert re.search(r"^exec_ms +\d+(\.\d)? m?s$", shown, re.MULTILINE)
    assert re.search(r"^attempts +1$", shown, re.MULTILINE)
    assert isinstance(told(site, "jobs", "show", job_id)["queued_ms"], int)


def test_list_is_drawn_again_and_again(site: Stack) -> None:
    """What comes later is seen without another command, and Ctrl-C ends it well."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
    command = [*ATHENA, "jobs", "ls", "--watch", "1", "--limit", "5", "--redis", site.redis_url]
    watching = subprocess.Popen(
        command, cwd=ROOT, stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm"}
    )
    seen = b""
    os.set_blocking(ours, False)

    def has_seen(text: bytes) -> bool:
        nonlocal seen
        with contextlib.suppress(BlockingIOError):
            seen += os.read(ours, 65536)
        return text in seen

    try:
        wait_until(lambda: has_seen(b"every 1 s; Ctrl-C ends it"), 60, "the first picture")
        job_id = failed_job(site)
        wait_until(lambda: has_seen(job_id.encode()), 60, "the job is in the picture")
        watching.send_signal(signal.SIGINT)
        wait_until(lambda: has_seen(b"") and watching.poll() is not None, 60, "it ends")
        assert watching.returncode == 0
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)
        os.close(its)


def test_what_nobody_can_see_is_not_drawn_again_and_again(site: Stack) -> None:
    for words, said in (((), "draws on a terminal"), (("--json",), "leave --json out")):
        done = athena(site, "queues", "ls", "--watch", *words)
        assert (done.returncode, done.stderr.count("\n")) == (78, 1) and said in done.stderr
    too_fast = athena(site, "jobs", "ls", "--watch", "0")
    assert too_fast.returncode == 2 and "must be 1 s or more" in too_fast.stderr


def test_retired_ability_is_forgotten(site: Stack) -> None:
    with redis.Redis.from_url(site.redis_url) as client:
        interface = Interface.decode(client.hget("athena:abilities", "echo") or b"")
        retired = replace(interface, service_id="retired", example=None)
        client.hset("athena:abilities", "retired", retired.encode())
    request = {"header": {"app_id": "demo", "status": 3}, "payload": {}}
    wait_until(lambda: "retired" in site.get("/v1/abilities").text, 60, "the gateway knows it")

    served = athena(site, "abilities", "rm", "echo")
    unknown = athena(site, "abilities", "rm", "nobody")
    listed = table(site, "abilities", "ls")
    forgotten = told(site, "abilities", "rm", "retired")

    assert served.returncode != 0 and "1 workers serve echo" in served.stderr
    assert unknown.returncode != 0 and "there is no ability 'nobody'" in unknown.stderr
    assert "retired" in listed and forgotten == {"retired": 0}
    wait_until(lambda: "retired" not in site.get("/v1/abilities").text, 60, "the gateway forgot it")
    assert site.post("/retired", request).status_code == 404
    assert site.post("/echo", example("echo")).status_code == 200


def worker_name(stack: Stack, service_id: str) -> str:
    (name,) = [
        worker["entry"]["name"]
        for worker in told(stack, "workers", "ls")["workers"]
        if worker["entry"]["service_id"] == service_id
    ]
    return str(name)


# jobs


def test_jobs_are_listed_and_shown(site: Stack) -> None:
    job_id = failed_job(site)

    listed = told(site, "jobs", "ls", "--service", "faulty", "--state", "failed")
    shown = told(site, "jobs", "show", job_id)

    assert job_id in [job["id"] for job in listed]
    assert (shown["state"], shown["code"]) == ("failed", 10909)
    assert "not in the mood" in shown["message"]
    lines = table(site, "jobs", "ls", "--limit", "1000").splitlines()
    assert lines[0].split() == ["ID", "ABILITY", "STATE", "QUEUED", "TOOK", "ATTEMPTS", "WORKER", "WHY"]
    assert any(line.startswith(job_id) and "not in the mood" in line for line in lines)
    assert "not in the mood" in table(site, "jobs", "show", job_id)


def test_job_that_waits_is_shown_with_its_reason(site: Stack) -> None:
    told(site, "queues", "pause", "faulty")
    job_id = site.submit("faulty", faulty_request())

    shown = told(site, "jobs", "show", job_id)
    answered = site.job(job_id)
    told(site, "queues", "resume", "faulty")

    assert shown["reason"] == answered["reason"] == "queue_paused: an operator has paused faulty.any"
    site.wait_state(job_id, "succeeded")
    assert told(site, "jobs", "show", job_id)["reason"] is None


def test_job_is_tried_again_and_canceled(site: Stack) -> None:
    job_id = failed_job(site)
    told(site, "queues", "pause", "faulty")

    new_id = told(site, "jobs", "retry", job_id)[job_id]
    canceled = told(site, "jobs", "cancel", new_id)
    told(site, "queues", "resume", "faulty")

    assert canceled == {new_id: "queued"}
    job = site.job(new_id)
    assert (job["state"], job["retry_of"]) == ("canceled", job_id)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("jobs", "show", "nobody"), "there is no job 'nobody'"),
        (("jobs", "cancel", "nobody"), "do not exist"),
        (("jobs", "retry", "nobody"), "there is no job 'nobody'"),
        (("dead", "drop", "nobody"), "there is no dead letter 'nobody'"),
        (("queues", "pause", "nothing"), "no queue or ability 'nothing'; there are: echo, echo.any"),
        (("workers", "drain", "nobody"), "there is no worker 'nobody'; there are: echo.cpu.0@"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(site: Stack, arguments: tuple[str, ...], text: str) -> None:
    done = athena(site, *arguments)

    assert done.returncode == 78
    assert done.stderr.startswith("athena: ") and done.stderr.count("\n") == 1
    assert text in done.stderr


def test_redis_that_is_not_there_is_told(site: Stack) -> None:
    command = [*ATHENA, "jobs", "ls", "--redis", "redis://127.0.0.1:1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 78
    assert "check --redis or ATHENA_REDIS_URL" in done.stderr


# dead letters


def test_poison_is_found_tried_again_and_dropped(site: Stack) -> None:
    job_id = site.submit("faulty", faulty_request(mode="os_exit"))
    poisoned = site.wait_state(job_id, "poisoned", 120)

    (letter,) = told(site, "dead", "ls")
    new_id = told(site, "dead", "requeue", job_id)[job_id]
    after = told(site, "dead", "ls")
    again = site.wait_state(new_id, "poisoned", 120)
    shown = table(site, "dead", "show", new_id)
    told(site, "dead", "drop", new_id)

    assert (poisoned["attempts"], poisoned["deaths"]) == (3, 3)
    assert letter["id"] == job_id
    assert "exit status 3" in letter["message"]
    assert job_id not in [item["id"] for item in after]
    assert again["retry_of"] == job_id
    assert "exit status 3" in shown
    assert table(site, "dead", "ls") == "none\n"


# queues


def test_paused_queue_holds_jobs_back_until_it_goes_on(site: Stack) -> None:
    assert "faulty.any" in table(site, "queues", "pause", "faulty")
    job_id = site.submit("faulty", faulty_request())
    paused = site.job(job_id)
    states = [line for line in table(site, "queues", "ls").splitlines() if line.startswith("faulty.any")]
    told(site, "queues", "resume", "faulty")

    assert (paused["state"], paused["reason"].partition(":")[0]) == ("queued", "queue_paused")
    assert paused["position"] == 1
    assert [line.split()[:3] for line in states] == [
        ["faulty.any", "1", "paused"],
        ["faulty.any.high", "0", "paused"],
        ["faulty.any.low", "0", "paused"],
    ]
    site.wait_state(job_id, "succeeded")


def test_purged_jobs_are_canceled(site: Stack) -> None:
    told(site, "queues", "pause", "faulty")
    jobs = [site.submit("faulty", faulty_request()) for _ in range(3)]

    assert told(site, "queues", "purge", "faulty.any") == {"canceled": 3}

    told(site, "queues", "resume", "faulty")
    assert {site.job(job_id)["state"] for job_id in jobs} == {"canceled"}


# workers


def shown_state(stack: Stack, name: str) -> str:
    """Returns a worker's state in `/v1/workers`; "" for one that is not there."""
    workers = stack.get("/v1/workers").json()["workers"]
    return next((worker["state"] for worker in workers if worker["name"] == name), "")


def test_drained_worker_is_away_until_it_is_restarted(site: Stack) -> None:
    name = worker_name(site, "echo")

    told(site, "workers", "drain", name)
    wait_until(lambda: name in told(site, "workers", "ls")["drained"], 60, "the worker is drained")
    wait_until(lambda: not site.get("/v1/abilities/echo").json()["workers"], 30, "the gateway sees it")
    job_id = site.submit("echo", json.loads((ECHO / "example.json").read_text()))
    waiting = site.job(job_id)
    wait_until(lambda: shown_state(site, name) == "drained", 30, "it is shown as drained")
    told(site, "workers", "restart", name)

    assert waiting["reason"] == "no_worker: no worker of echo is alive"
    site.wait_state(job_id, "succeeded")
    assert worker_name(site, "echo") == name


# over HTTP


def test_admin_api_does_what_the_commands_do(site: Stack) -> None:
    job_id = failed_job(site)

    assert job_id in [job["id"] for job in admin(site, "GET", "/jobs?service_id=faulty&limit=1000")["jobs"]]
    assert admin(site, "GET", f"/jobs/{job_id}")["job"]["code"] == 10909
    new_id = admin(site, "POST", f"/jobs/{job_id}/retry")["id"]
    site.wait_state(new_id, "failed")
    assert admin(site, "POST", f"/jobs/{new_id}/cancel")["before"] == {new_id: "failed"}
    assert "faulty.any" in admin(site, "POST", "/queues/faulty/pause")["paused"]
    assert admin(site, "POST", "/queues/faulty.any/purge")["canceled"] == 0
    assert "faulty.any" in admin(site, "POST", "/queues/faulty/resume")["resumed"]
    assert len(admin(site, "GET", "/queues")["abilities"]) == 2
    workers = admin(site, "GET", "/workers")["workers"]
    assert {worker["entry"]["service_id"] for worker in workers} == {"echo", "faulty"}
    assert admin(site, "GET", "/dead")["dead"] == []
    noted = [(act["action"], act["target"], act["origin"]) for act in admin(site, "GET", "/audit")["acts"]]
    for action, target in (
        ("jobs retry", job_id),
        ("jobs cancel", new_id),
        ("queues pause", "faulty"),
        ("queues purge", "faulty.any"),
        ("queues resume", "faulty"),
    ):
        assert (action, target, "127.0.0.1") in noted


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_admin_api_asks_for_the_token(site: Stack, headers: dict[str, str]) -> None:
    answer = site.get("/v1/admin/workers", headers=headers)

    assert (answer.status_code, answer.json()["header"]["code"]) == (401, 10405)


def test_without_a_token_there_is_no_admin_api(stack: Stack) -> None:
    answer = stack.get("/v1/admin/workers", headers=BEARER)

    assert answer.status_code in (404, 405)


def test_queue_that_waits_for_a_newer_worker_says_so_everywhere(site: Stack) -> None:
    told(site, "queues", "pause", "echo")
    job_id = site.submit("echo", example("echo"))
    # A gateway of a later version has written it.
    with redis.Redis.from_url(site.redis_url) as client:
        queue = next(name for name in ("echo.cpu", "echo.any") if client.llen(name))
        [raw] = client.lrange(queue, 0, -1)
        client.lset(queue, 0, raw.replace(rb"\"v\":1", rb"\"v\":2"))
    told(site, "queues", "resume", "echo")
    reason = "needs_newer_worker: queue message version 2 is not known here; this worker reads up to 1"

    wait_until(lambda: reason in site.get(f"/v1/jobs/{job_id}").text, 30, "the job says why it waits")

    assert reason in table(site, "queues", "ls")
    # The job is asked of Redis, the ability of the gateway, which looks about once a second.
    waiting = {queue: reason}
    wait_until(lambda: site.get("/v1/abilities/echo").json()["waiting"] == waiting, 30, "the gateway knows")
    wait_until(lambda: f"queue {queue} waits: job {job_id} {reason}" in site.log, 30, "the worker's line")
    told(site, "jobs", "cancel", job_id)
    wait_until(lambda: not site.get("/v1/abilities/echo").json()["waiting"], 60, "nothing waits any more")
    assert site.post("/echo", example("echo")).status_code == 200


def test_doctor_finds_nothing_wrong_while_jobs_flow(site: Stack) -> None:
    is_over = threading.Event()

    def call() -> None:
        while not is_over.is_set():
            site.post("/echo", example("echo"))
            site.submit("echo", example("echo"))
            site.submit("faulty", faulty_request(mode="raise"))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        reports = [told(site, "doctor", "--audit") for _ in range(3)]
        well = athena(site, "doctor", "--data", str(site.data_dir), "--json")
    finally:
        is_over.set()
        for caller in callers:
            caller.join()

    assert [report["differences"] for report in reports] == [[], [], []]
    assert 0 < reports[0]["records"] < reports[2]["records"]
    # How full this machine is, and who has the usual ports, is not the system's fault.
    others = ("file system", "of memory left", "(ATHENA_", "the event loop of gateway")
    wrong = [item["what"] for item in json.loads(well.stdout)["wrong"]]
    assert [what for what in wrong if not any(other in what for other in others)] == []
    assert json.loads(well.stdout)["facts"]["athena-serving"]


def test_doctor_finds_and_repairs_what_was_broken(site: Stack) -> None:
    job_id = failed_job(site)
    with redis.Redis.from_url(site.redis_url) as client:
        client.zrem("athena:ended:faulty", job_id)

    found = athena(site, "doctor", "--audit", "--repair")

    assert (found.returncode, found.stderr) == (1, "")
    assert "1 differences set right" in found.stdout
    assert told(site, "doctor", "--audit")["differences"] == []
    with redis.Redis.from_url(site.redis_url) as client:
        assert client.zscore("athena:ended:faulty", job_id) is not None


def test_ability_gets_more_processes_and_fewer_without_a_restart(site: Stack) -> None:
    def workers() -> set[str]:
        listed = told(site, "workers", "ls")["workers"]
        return {
            item["entry"]["name"].partition("@")[0]
            for item in listed
            if item["entry"]["service_id"] == "echo"
        }

    before = workers()
    assert before == {"echo.cpu.0"}

    assert told(site, "workers", "scale", "echo", "3") == {"ability": "echo", "size": 3}
    wait_until(lambda: workers() == {"echo.cpu.0", "echo.cpu.1", "echo.cpu.2"}, 60, "three serve")
    assert table(site, "workers", "scale", "echo", "default") == "echo: default on each host's CPU\n"
    wait_until(lambda: workers() == before, 60, "one is left")
    assert site.post("/echo", example("echo")).status_code == 200

    unknown = athena(site, "workers", "scale", "nobody", "2")
    assert (unknown.returncode, "there is no ability 'nobody'" in unknown.stderr) == (78, True)
    for wrong in ("0", "65", "many"):
        assert athena(site, "workers", "scale", "echo", wrong).returncode == 2
