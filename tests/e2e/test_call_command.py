"""`athena call`, `submit`, and `jobs` of a gateway: what they print, and how they end."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ATHENA, ECHO, FAULTY, ROOT, Stack, serving, wait_until

pytestmark = pytest.mark.e2e

SEVEN = ROOT / "examples" / "digits" / "seven.png"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Abilities that answer, with data of every kind, and one that fails."""
    studio = ROOT / "tests" / "abilities" / "studio"
    with serving(tmp_path_factory.mktemp("site"), studio, FAULTY, ECHO) as running:
        yield running


def athena(
    stack: Stack, *words: str, given: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Types a command."""
    return subprocess.run(
        [*ATHENA, *words],
        input=given,
        env={**os.environ, "ATHENA_URL": stack.url, **environment},
        capture_output=True,
        timeout=90,
        check=False,
    )


def told(stack: Stack, *words: str, given: bytes = b"") -> str:
    """Returns what a command prints that ends well."""
    done = athena(stack, *words, given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


def test_answers_are_shown_and_written(site: Stack, tmp_path: Path) -> None:
    picture = tmp_path / "drawing.png"

    inputs = ("--input", f"picture=@{SEVEN}", "--input", "note=hé")
    inputs = ("--input", f"picture=@{SEVEN}", "--input", "note=hé")
    shown = told(site, "call", "studio", *inputs, "-o", str(picture))
    as_json = json.loads(
        told(site, "call", "studio", "--input", "features=[[1, 0]]", "--param", "threshold=0.5", "--json")
    )

    assert "words: hé\n" in shown and '"here"' in shown and "drawing" not in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert as_json == {"scores": [[1]]}


def test_pipes_lead_in_and_out(site: Stack) -> None:
    data = SEVEN.read_bytes()

    targets = ("-o", "drawing=-", "-o", "boxes=/dev/null")
    done = athena(site, "call", "studio", "--input", "picture=@-", *targets, given=data)

    assert done.returncode == 0 and done.stdout.startswith(b"\x89PNG")


def test_job_is_followed_by_its_id_and_by_the_callers(site: Stack) -> None:
    words = ("submit", "faulty", "--input", "text=a", "--param", "seconds=1.5", "--request-id", "typed-1")
    job_id = told(site, *words).strip()

    events = told(site, "jobs", "events", job_id)
    lines = [json.loads(line) for line in told(site, "jobs", "events", "typed-1", "--json").splitlines()]

    assert [line.split()[2] for line in events.splitlines()] == ["submitted", "taken", "started", "succeeded"]
    assert [line["event"] for line in lines] == ["submitted", "taken", "started", "succeeded"]
    assert told(site, *words).strip() == job_id
    assert told(site, "jobs", "wait", job_id, "typed-1") == f"{job_id} succeeded\n" * 2
    assert told(site, "jobs", "output", "typed-1").startswith("text: ")
    assert json.loads(told(site, *words, "--json"))["id"] == job_id


def test_jobs_of_a_gateway_are_listed_shown_canceled_and_tried_again(site: Stack) -> None:
    """Nothing here reaches Redis: it is the gateway that is asked."""
    url = ("--url", site.url)
    failing = ("submit", "faulty", "--input", "text=a", "--param", "mode=raise", "--request-id", "managed-1")
    failed_id = told(site, *failing).strip()
    assert athena(site, "jobs", "wait", failed_id).returncode == 1
    told(site, "submit", "faulty", "--input", "text=a", "--param", "seconds=20", "--request-id", "managed-2")

    listed = json.loads(told(site, "jobs", "ls", "--state", "failed", "--error", "MOOD", "--json", *url))
    shown = json.loads(told(site, "jobs", "show", "managed-1", "--json", *url))
    canceled = told(site, "jobs", "cancel", "managed-2", "managed-1", *url)
    new = json.loads(told(site, "jobs", "retry", "managed-1", "--request-id", "managed-3", "--json", *url))

    assert failed_id in [job["id"] for job in listed] and {job["state"] for job in listed} == {"failed"}
    assert (shown["id"], shown["timeline"][-1]["event"]) == (failed_id, "failed")
    assert canceled.splitlines()[1:] == ["managed-2  canceled", "managed-1  was failed before"]
    assert told(site, "jobs", "show", "managed-3", *url).splitlines()[1].split() == ["id", new["managed-1"]]
    table = told(site, "jobs", "ls", "--limit", "1", *url).splitlines()
    assert table[0].split()[:3] == ["ID", "ABILITY", "STATE"] and len(table) == 2


@pytest.mark.parametrize("way", ["gateway", "redis"])
def test_one_job_that_cannot_be_tried_again_hides_no_other(site: Stack, way: str) -> None:
    where = ("--url", site.url) if way == "gateway" else ("--redis", site.redis_url)
    words = ("submit", "faulty", "--input", "text=a", "--param", "mode=raise")
    first, second = told(site, *words).strip(), told(site, *words).strip()
    assert athena(site, "jobs", "wait", first, second).returncode == 1

    done = athena(site, "jobs", "retry", first, "nobody", second, first, "--json", *where)

    new = json.loads(done.stdout)
    assert list(new) == [first, second] and done.returncode == (1 if way == "gateway" else 78)
    assert done.stderr.count(b"there is no job 'nobody'") == 1
    for old_id, new_id in new.items():
        assert site.job(new_id)["retry_of"] == old_id


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ls", "--url", "{url}", "--redis", "redis://127.0.0.1:1"), "leave one of them out"),
        (("ls", "--key-file", "shop.json"), "--key-file is for a gateway, and Redis is asked"),
        (
            ("cancel", "x", "--sign"),
            "--sign is for a gateway, and Redis is asked; name",
        ),
        (("show", "x", "--trace", "--url", "{url}"), "leave --trace or --url out"),
        (("retry", "x", "y", "--request-id", "z", "--url", "{url}"), "name one job to try again"),
        (("ls", "--url", "{url}", "--watch", "--json"), "leave --json out"),
        (("ls", "--data", "{empty}"), "is athena serve running with {empty}? "),
        (("ls", "--data", "{empty}"), "; --url asks a gateway"),
    ],
)
def test_two_ways_are_told_apart(site: Stack, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    names = {"url": site.url, "empty": tmp_path}

    done = athena(site, "jobs", *(word.format(**names) for word in words))

    assert done.returncode == 78 and said.format(**names) in done.stderr.decode()
    assert done.stderr.startswith(b"athena: ") and done.stderr.count(b"\n") == 1


def test_failed_and_refused_end_with_1_and_say_why(site: Stack) -> None:
    failed = athena(site, "call", "faulty", "--input", "text=a", "--param", "mode=raise")
    refused = athena(site, "call", "faulty", "--input", "text=a", "--param", "seconds=x", "--param", "y=1")
    job_id = told(site, "submit", "faulty", "--input", "text=a", "--param", "mode=raise").strip()
    waited = athena(site, "jobs", "wait", job_id, "--json")
    unknown = athena(site, "jobs", "output", "nobody-knows")

    assert {done.returncode for done in (failed, refused, waited, unknown)} == {1}
    assert b"the model is not in the mood (code 10909, job " in failed.stderr
    assert b"/parameter/faulty/seconds must be a number" in refused.stderr
    assert b"  /parameter/faulty/y is not known here" in refused.stderr
    assert json.loads(waited.stdout)[0]["state"] == "failed"
    assert b"there is no job 'nobody-knows'" in unknown.stderr


def test_time_that_is_up_names_the_job(site: Stack) -> None:
    done = athena(site, "call", "faulty", "--input", "text=a", "--param", "seconds=4", "--timeout", "1")

    job_id = done.stderr.decode().partition("(job ")[2].partition(")")[0]
    assert done.returncode == 1 and b"goes on" in done.stderr
    assert told(site, "jobs", "wait", job_id) == f"{job_id} succeeded\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input", "text"), "must have the form NAME=VALUE"),
        (("--input", "text=@nothing"), "cannot use nothing: No such file"),
        (("--input", "text=a", "--url", "gateway"), "no address of a gateway"),
        (("--input", "text=a", "--key-file", "nothing"), "cannot read the key in nothing"),
        (("--input", "text=a", "--sign"), "ATHENA_KEY_FILE"),
        (("--input", "text=a", "--ca-file", "nothing"), "cannot use the certificates in nothing"),
        (("--input", 'te"xt=a'), "cannot be the name"),
        (("--input", "text=a", "-o", "words=x"), "no output 'words'; it has: text"),
    ],
)
def test_arguments_that_cannot_be_used_are_told(site: Stack, words: tuple[str, ...], said: str) -> None:
    done = athena(site, "call", "echo", *words)

    assert done.returncode == 78 and said in done.stderr.decode()
    assert done.stderr.startswith(b"athena: ") and done.stderr.count(b"\n") == 1


def test_key_is_no_argument(site: Stack) -> None:
    assert b"--key KEY" not in athena(site, "call", "--help").stdout
    assert told(site, "call", "echo", "--input", "text=a") == "text: a\n"
    done = athena(site, "call", "echo", "--input", "text=a", ATHENA_KEY="two words")
    assert done.returncode == 78 and b"two words" not in done.stderr


def test_who_looks_on_sees_how_the_job_stands(site: Stack) -> None:
    """On a terminal the command says on standard error what it waits for."""
    ours, its = pty.openpty()
    words = [*ATHENA, "call", "faulty", "--input", "text=a", "--param", "seconds=2.5"]
    environment = {**os.environ, "ATHENA_URL": site.url, "TERM": "xterm", "COLUMNS": "200"}
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=its)
    os.close(its)

    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:
            # The other end is closed.
            break
    answer, _ = process.communicate(timeout=60)
    os.close(ours)

    assert b", running" in seen
    assert answer.startswith(b"text: ") and b"\x1b" not in answer


def test_who_interrupts_a_call_is_told_where_its_job_is(site: Stack) -> None:
    words = [*ATHENA, "call", "faulty", "--input", "text=a", "--param", "seconds=3"]
    process = subprocess.Popen(
        words, env={**os.environ, "ATHENA_URL": site.url}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    running = "/v1/jobs?service_id=faulty&state=running"
    wait_until(lambda: site.get(running).json()["jobs"], 60, "the job runs")

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130 and said.startswith(b"athena: the job goes on; athena jobs output ")
    assert told(site, *said.decode().split("; athena ")[1].split(" waits")[0].split()).startswith("text: ")


def test_without_a_name_all_that_can_be_called_is_listed(site: Stack) -> None:
    lines = told(site, "call").splitlines()
    listed = {item["service_id"]: item for item in json.loads(told(site, "submit", "--json"))}

    assert lines[0].split() == ["ABILITY", "INPUTS", "PARAMS", "OUTPUTS", "WORKERS", "DESCRIPTION"]
    assert [line.split()[0] for line in lines[1:]] == ["echo", "faulty", "studio"]
    assert re.match(r"faulty +text +mode seconds +text +1 ", lines[2])
    assert [spec["key"] for spec in listed["studio"]["params"]] == ["mode", "threshold", "times", "shout"]
