"""`athena.client`, waiting and with asyncio: real workers, and a network that loses answers."""

import asyncio
import json
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from athena.client import (
    AsyncClient,
    Client,
    Form,
    Job,
    JobFailedError,
    NotDoneError,
    RefusedError,
    SigningPair,
    UnreachableError,
)
from athena.client.bodies import File
from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, serving, wait_until
from tests.ports import free_port
from tests.proxy import Mode, Proxy
from tests.redis_servers import make_certificates

pytestmark = pytest.mark.e2e

STUDIO = ROOT / "tests" / "abilities" / "studio"
LEDGER = ROOT / "tests" / "abilities" / "ledger"
SEVEN = ROOT / "examples" / "digits" / "seven.png"
SEAL_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which runs are written down."""
    return tmp_path_factory.mktemp("ledger") / "runs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, ledger: Path) -> Iterator[Stack]:
    """Data of every kind, and runs that are written down."""
    with serving(tmp_path_factory.mktemp("site"), STUDIO, LEDGER, LEDGER=str(ledger)) as running:
        yield running


@pytest.fixture
def client(site: Stack) -> Iterator[Client]:
    with Client(site.url) as opened:
        yield opened


def runs(ledger: Path, tag: str) -> int:
    """Returns how often the wrapper has begun a job."""
    return sum(line.startswith(f"begin {tag} ") for line in ledger.read_text().splitlines())


def test_every_kind_of_value_has_its_type_again(client: Client) -> None:
    found = client.run("studio", picture=SEVEN, note="hé", times=2, features=[[0.25, 0.5]], threshold=0.4)

    assert found["words"] == "héhé"
    assert found["scores"] == [[0.5]]
    assert found["boxes"][0]["result"][0]["text"] == "here"
    assert found["drawing"].startswith(b"\x89PNG")
    assert (
        len(found.job_id) == 32
        and "drawing" in found
        and set(found) == {"words", "scores", "boxes", "drawing"}
    )


def test_values_without_data_are_plain_json(client: Client) -> None:
    found = client.run("studio", {"features": [[1, 0]]}, note="a", shout=True, threshold=None)

    assert dict(found) == {"scores": [[1, 0]], "words": "A"}
    assert client.run("studio", note="b").only == "b"


def test_data_may_be_bytes_a_file_or_a_form(client: Client) -> None:
    data = SEVEN.read_bytes()

    with SEVEN.open("rb") as opened:
        forms: list[Any] = [{"picture": data}, {"picture": opened}, Form(files=[("picture", File(data))])]
        for values in forms:
            assert client.run("studio", values, expect=None)["drawing"].startswith(b"\x89PNG")


def test_expectations_reach_the_ability(client: Client) -> None:
    for values in ({"note": "你"}, {"note": "你", "sound": b"RIFF"}):
        assert client.run("studio", values, expect={"words": {"encoding": "gbk"}})["words"]


def test_owner_may_be_named_where_no_key_says_it(site: Stack) -> None:
    with Client(site.url, app_id="shop") as client:
        job = client.submit("studio", note="a")
        found = client.run("studio", picture=SEVEN)

        assert client.wait(job).described["app_id"] == "shop"
        assert client.job(found.job_id).described["app_id"] == "shop"
        assert found["drawing"].startswith(b"\x89PNG")


def test_job_is_followed_to_its_outputs(client: Client) -> None:
    job = client.submit("ledger", text="a", tag="followed", seconds=1.5)
    seen: list[Job] = []

    told = [event["event"] for event in client.events(job)]
    outputs = client.outputs(job.request_id, on_progress=seen.append)

    assert told == ["submitted", "taken", "started", "succeeded"]
    assert outputs.job_id == job.id and outputs.only
    assert seen[-1].has_succeeded and client.wait(job).has_ended


def test_progress_is_told_while_a_call_waits(client: Client) -> None:
    seen: list[Job] = []

    client.run("ledger", text="a", tag="watched", seconds=2.5, on_progress=seen.append)

    assert "running" in [job.state for job in seen] and seen[-1].state == "succeeded"


def test_job_that_is_canceled_has_no_outputs(client: Client) -> None:
    job = client.submit("ledger", text="a", tag="canceled", seconds=60)

    client.cancel(job)

    assert client.wait(job, timeout_s=60).state == "canceled"
    with pytest.raises(JobFailedError) as caught:
        client.outputs(job)
    assert (caught.value.code, caught.value.job_id) == (10101, job.id)


def test_time_that_is_up_leaves_the_job_alone(client: Client) -> None:
    with pytest.raises(NotDoneError) as caught:
        client.run("ledger", text="a", tag="slow", seconds=4, timeout_s=1)

    assert caught.value.job is not None and caught.value.job.id == caught.value.job_id
    assert client.outputs(caught.value.request_id).only


def test_failed_job_tells_why_and_can_be_tried_again(client: Client) -> None:
    with pytest.raises(JobFailedError) as caught:
        client.run("ledger", text="a", mode="fail", request_id="to-be-tried")

    error = caught.value
    assert (error.code, error.http_status, error.request_id) == (10909, 502, "to-be-tried")
    assert error.job_id in str(error) and not error.retryable
    again = client.retry(error.job_id, request_id="tried-again")
    assert client.wait(again).state == "failed" and client.job("tried-again").id == again.id


def test_request_that_does_not_fit_is_refused_with_its_place(client: Client) -> None:
    with pytest.raises(RefusedError) as caught:
        client.run("studio", note="a", threshold=7)

    assert (caught.value.code, caught.value.http_status) == (10163, 400)
    assert caught.value.problems[0].pointer == "/threshold" and not caught.value.job_id
    with pytest.raises(RefusedError, match="there is no service 'nobody'"):
        client.run("nobody", text="a")


def test_same_request_id_makes_no_second_job(client: Client, ledger: Path) -> None:
    first, second = (client.run("ledger", text="a", tag="twice", request_id="twice-1") for _ in range(2))

    assert (first.job_id, first.only) == (second.job_id, second.only)
    assert runs(ledger, "twice") == 1
    with pytest.raises(RefusedError) as caught:
        client.run("ledger", text="b", tag="twice", request_id="twice-1")
    assert caught.value.http_status == 409


@pytest.fixture
def proxy(site: Stack) -> Iterator[Proxy]:
    between = Proxy(site.port)
    between.start()
    yield between
    between.stop()


def test_connection_that_is_cut_behind_an_accepted_job_runs_it_once(
    site: Stack, proxy: Proxy, ledger: Path
) -> None:
    """The request arrives, its answer does not: it is sent again, and gets the answer of the first run."""
    proxy.break_down(Mode.DROP_REPLIES)
    outcome: list[Any] = []

    with Client(f"http://127.0.0.1:{proxy.port}") as client:
        caller = threading.Thread(
            target=lambda: outcome.append(client.run("ledger", text="a", tag="cut", request_id="cut-1"))
        )
        caller.start()
        wait_until(lambda: runs(ledger, "cut"), 60, "the job has begun")
        first_id = site.job("cut-1", wait_s=60)["id"]
        proxy.heal()
        caller.join(60)

    assert [found.job_id for found in outcome] == [first_id]
    assert runs(ledger, "cut") == 1


def test_connection_that_is_cut_under_waiting_is_made_anew(site: Stack, proxy: Proxy, ledger: Path) -> None:
    async def call() -> str:
        async with AsyncClient(f"http://127.0.0.1:{proxy.port}") as client:
            running = asyncio.ensure_future(client.run("ledger", text="a", tag="cut-later", seconds=2))
            while not runs(ledger, "cut-later"):
                await asyncio.sleep(0.01)
            proxy.heal()
            return (await running).job_id

    job_id = asyncio.run(call())

    assert site.job(job_id)["state"] == "succeeded"
    assert runs(ledger, "cut-later") == 1


def test_without_retries_a_cut_connection_is_told_of(site: Stack, proxy: Proxy, ledger: Path) -> None:
    proxy.break_down(Mode.DROP_REPLIES)
    outcome: list[BaseException] = []

    def call() -> None:
        with Client(f"http://127.0.0.1:{proxy.port}", retries=0) as client:
            try:
                client.run("ledger", text="a", tag="once")
            except UnreachableError as error:
                outcome.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: runs(ledger, "once"), 60, "the job has begun")
    proxy.heal()
    caller.join(60)

    assert len(outcome) == 1 and "does not answer" in str(outcome[0])


def test_call_without_retries_leaves_no_result(site: Stack) -> None:
    with Client(site.url, retries=0) as client:
        found = client.run("studio", note="a")

    assert found["words"] == "a"
    job = site.job(found.job_id)
    assert job["request_id"] is None


def test_gateway_that_comes_back_is_asked_again(tmp_path: Path, site: Stack) -> None:
    port = free_port()
    outcome: list[Any] = []

    with Client(f"http://127.0.0.1:{port}", retries=20) as client:
        caller = threading.Thread(target=lambda: outcome.append(client.run("studio", note="late")))
        caller.start()
        time.sleep(0.3)
        command = [*ATHENA, "api", "--port", str(port), "--redis", site.redis_url]
        with (tmp_path / "log").open("wb") as log:
            gateway = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            caller.join(90)
        finally:
            gateway.terminate()
            gateway.wait(60)

    assert [found["words"] for found in outcome] == ["late"]


def test_many_tasks_share_one_client_of_asyncio(site: Stack) -> None:
    async def call() -> list[str]:
        async with AsyncClient(site.url) as client:
            calls = (client.run("studio", note=str(number)) for number in range(20))
            found = [item.only for item in await asyncio.gather(*calls)]
            job = await client.submit("ledger", text="a", mode="fail")
            events = [event["event"] async for event in client.events(job)]
            again = await client.retry(await client.job(job))
            with pytest.raises(JobFailedError):
                await client.outputs(again)
            canceled = await client.cancel(again)
            listed = [item.id async for item in client.jobs(service_id="ledger", state="failed")]
            assert events[-1] == "failed" and canceled.state == "failed" and {job.id, again.id} <= {*listed}
            assert (await client.wait(again)).has_ended
            assert (await client.ability("studio"))["service_id"] == "studio"
            assert {"studio", "ledger"} <= {item["service_id"] for item in await client.abilities()}
            return found

    assert asyncio.run(call()) == [str(number) for number in range(20)]


def test_jobs_and_abilities_are_listed(client: Client) -> None:
    job = client.submit("studio", note="a")
    client.wait(job)

    assert job.id in [item.id for item in client.jobs(service_id="studio", limit=1)]
    assert {item["key"] for item in client.ability("studio")["outputs"]} >= {"drawing", "words"}
    assert {"studio", "ledger"} <= {item["service_id"] for item in client.abilities()}


def test_many_jobs_are_queued_by_few_requests(client: Client, site: Stack) -> None:
    items: list[dict[str, object]] = [{"note": f"n{number}"} for number in range(1500)]
    items[3] = {"nothing": 1}
    items[4] = {"picture": SEVEN, "note": File("hé".encode())}

    jobs = client.submit_many("studio", items)
    again = client.submit_many("studio", [{"note": "x", "request_id": "bulk-1"}] * 2)

    assert isinstance(jobs[3], RefusedError) and "/nothing" in str(jobs[3])
    queued = [job for job in jobs if isinstance(job, Job)]
    assert len({job.id for job in queued}) == 1499
    assert client.outputs(queued[-1])["words"] == "n1499"
    found = client.outputs(queued[3])
    assert (found["words"], bytes(found["drawing"])[:4]) == ("hé", b"\x89PNG")
    assert again[0] == again[1]

    async def queue() -> list[str]:
        async with AsyncClient(site.url) as asking:
            told = await asking.submit_many("studio", [{"note": "a"}, {"note": "b"}])
            return [(await asking.outputs(job))["words"] for job in told if isinstance(job, Job)]

    assert asyncio.run(queue()) == ["a", "b"]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Path, Path]]:
    """A gateway with keys and TLS; the file of a key, and that of its authority."""
    folder = tmp_path_factory.mktemp("closed")
    make_certificates(folder)
    settings = {
        "ATHENA_ACCESS": "keys",
        "ATHENA_SEAL_KEY": SEAL_KEY,
        "ATHENA_TLS_CERT_FILE": str(folder / "server.pem"),
        "ATHENA_TLS_KEY_FILE": str(folder / "server.key"),
    }
    with serving(folder, ECHO, **settings) as running:
        running.url = f"https://localhost:{running.port}"
        command = [*ATHENA, "keys", "create", "shop", "--json", "--redis", running.redis_url]
        environment = {"ATHENA_SEAL_KEY": SEAL_KEY}
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, timeout=60)
        (folder / "shop.json").write_bytes(made.stdout)
        yield running, folder / "shop.json", folder / "ca.pem"


def test_keys_and_both_forms_of_signatures_open_a_closed_gateway(closed: tuple[Stack, Path, Path]) -> None:
    stack, key_file, ca_file = closed
    key = json.loads(key_file.read_text())
    pair = (key["api_key"], key["api_secret"])

    def is_known() -> bool:
        with Client(stack.url, key["key"], ca_file=ca_file, retries=0) as client:
            try:
                client.abilities()
            except RefusedError as error:
                assert error.http_status == 401
                return False
            return True

    wait_until(is_known, 60, "the gateway knows the key")
    for credentials in (key["key"], SigningPair(*pair), SigningPair(*pair, covers_body=True)):
        with Client(stack.url, credentials, ca_file=ca_file) as client:
            found = client.run("echo", text="hello", request_id="one and the same".replace(" ", "-"))
            assert found["text"] == "hello"
            assert client.run("echo", text=File(b"hi")).only == "hi"
            assert client.job(found.job_id).described["app_id"] == "shop"
            assert [item for item in client.jobs(state="succeeded")]


def test_commands_about_jobs_send_the_key_of_a_file(closed: tuple[Stack, Path, Path]) -> None:
    stack, key_file, ca_file = closed
    gateway = ("--url", stack.url, "--ca-file", str(ca_file))
    key = ("--key-file", str(key_file))

    def typed(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*ATHENA, *words], capture_output=True, timeout=90, check=False)

    def submitted() -> bool:
        return (
            typed("submit", "echo", "--input", "text=a", "--request-id", "mine", *gateway, *key).returncode
            == 0
        )

    wait_until(submitted, 60, "the gateway knows the key")
    listed = typed("jobs", "ls", "--json", *gateway, *key, "--sign")
    canceled = typed("jobs", "cancel", "mine", *gateway, *key)
    strange = typed("jobs", "ls", *gateway)

    assert "mine" in [job["request_id"] for job in json.loads(listed.stdout)], listed.stderr
    assert canceled.stdout.splitlines()[1].split()[0] == b"mine"
    assert strange.returncode == 1 and b"send a key" in strange.stderr


def test_certificate_that_nobody_vouches_for_is_refused_at_once(closed: tuple[Stack, Path, Path]) -> None:
    stack, _, _ = closed

    with Client(stack.url) as client, pytest.raises(UnreachableError) as caught:
        client.run("echo", text="a")

    assert "ATHENA_CA_FILE" in str(caught.value) and "tries" not in str(caught.value)


def test_strangers_are_told_what_is_missing(closed: tuple[Stack, Path, Path]) -> None:
    stack, _, ca_file = closed

    with (
        Client(stack.url, ca_file=ca_file) as client,
        pytest.raises(RefusedError, match="send a key") as caught,
    ):
        client.run("echo", text="a")

    assert caught.value.code == 10405


def test_sounds_come_back_as_sounds(client: Client, tmp_path: Path) -> None:
    found = client.run("studio", sound=File(b"RIFF\0\0\0\0WAVE", "audio/wav"))

    (tmp_path / "tone.wav").write_bytes(found["tone"])
    with wave.open(str(tmp_path / "tone.wav")) as opened:
        assert opened.getframerate() == 8000
