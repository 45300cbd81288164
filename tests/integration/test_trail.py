"""What operators do is noted before it is done, and an entry that was changed shows."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from athena.cli import main
from athena.errors import NotFoundError
from athena.operations.steps import Steps, run_steps
from athena.operations.trail import Act, list_acts, note, recorded, verify_trail
from athena.store.keys import TRAIL
from athena.store.scripts import NOTE, Command

pytestmark = pytest.mark.redis

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]

ACT = Act("kim@host", "203.0.113.9", "queues pause", "ocr")


@pytest.fixture
def run(redis_client: Any) -> Callable[[Steps[Any]], Any]:
    redis_client.script_load(NOTE.source)

    def execute(command: Command) -> Any:
        # Entries as Redis sends them, not as redis-py's reader of streams makes them.
        redis_client.set_response_callback("XRANGE", lambda reply, **_: reply)
        redis_client.set_response_callback("XREVRANGE", lambda reply, **_: reply)
        return redis_client.execute_command(*command)

    return lambda steps: run_steps(steps, execute)


@pytest.fixture
def athena(redis_server: str, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command on the server of the tests; returns its exit status and what it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        status = main([*arguments, "--redis", redis_server])
        return status, capsys.readouterr().out

    return call


def acts(athena: Any) -> list[dict[str, Any]]:
    _, text = athena("audit", "--json", "--limit", "1000")
    found: list[dict[str, Any]] = json.loads(text)["acts"]
    return found


def test_acts_are_listed_the_newest_first(run: Callable[[Steps[Any]], Any]) -> None:
    for number in range(2500):
        run(note(Act("kim", "", "jobs cancel", f"job{number}")))

    listed = run(list_acts(2100))
    assert [act["target"] for act in listed] == [f"job{number}" for number in range(2499, 399, -1)]
    assert listed[0]["actor"] == "kim"
    assert run(verify_trail()) == []


def test_act_is_noted_before_it_is_done(run: Callable[[Steps[Any]], Any], redis_client: redis.Redis) -> None:
    def steps() -> Steps[Any]:
        return (yield ("XLEN", TRAIL))

    assert run(recorded(ACT, steps())) == 1
    (act,) = run(list_acts(10))
    assert (act["actor"], act["origin"], act["action"], act["target"]) == (
        "kim@host",
        "203.0.113.9",
        "queues pause",
        "ocr",
    )


def test_what_failed_is_noted_with_the_reason(run: Callable[[Steps[Any]], Any]) -> None:
    def steps() -> Steps[Any]:
        yield ("PING",)
        raise NotFoundError("there is no such queue")

    with pytest.raises(NotFoundError):
        run(recorded(ACT, steps()))
    assert [act["outcome"] for act in run(list_acts(10))] == ["failed: there is no such queue", "asked"]


def test_what_cannot_be_noted_is_not_done(
    run: Callable[[Steps[Any]], Any], redis_client: redis.Redis
) -> None:
    redis_client.set(TRAIL, "no stream")

    def steps() -> Steps[Any]:
        return (yield ("SET", "done", "1"))

    with pytest.raises(redis.ResponseError):
        run(recorded(ACT, steps()))
    assert not redis_client.exists("done")


@pytest.mark.parametrize("harm", ["changed", "taken out", "put in"])
def test_entry_that_was_tampered_with_shows(
    run: Callable[[Steps[Any]], Any], redis_client: Any, harm: str
) -> None:
    for number in range(5):
        run(note(Act("kim", "", "dead drop", f"job{number}")))
    raw: Any = redis_client.execute_command("XRANGE", TRAIL, "-", "+")
    entry_id, fields = raw[2]
    if harm == "put in":
        (stamp, number) = raw[4][0].decode().split("-")
        redis_client.execute_command("XADD", TRAIL, f"{stamp}-{int(number) + 1}", "entry", "{}", "link", "00")
    else:
        redis_client.xdel(TRAIL, entry_id)
    if harm == "changed":
        # A stream takes no entry before its last one, so all behind it have to be written again.
        later = raw[3:]
        redis_client.xdel(TRAIL, *(item[0] for item in later))
        stamp, number = raw[4][0].decode().split("-")
        changed = [fields[0], fields[1].replace(b"job2", b"job9"), *fields[2:]]
        for offset, item in enumerate([changed, *(item[1] for item in later)], 1):
            redis_client.execute_command("XADD", TRAIL, f"{stamp}-{int(number) + offset}", *item)

    assert len(run(verify_trail())) == 1


def test_texts_of_strangers_stay_one_line(run: Callable[[Steps[Any]], Any]) -> None:
    run(note(Act("kim\n2026-01-01 root", "", "jobs cancel", "x" * 5000)))

    (act,) = run(list_acts(1))
    assert "\n" not in act["actor"]
    assert len(act["target"]) < 1000


VERBS = [
    (["queues", "pause", "ocr"], "queues pause", "ocr"),
    (["queues", "resume", "ocr"], "queues resume", "ocr"),
    (["queues", "purge", "ocr"], "queues purge", "ocr"),
    (["jobs", "cancel", "0" * 32], "jobs cancel", "0" * 32),
    (["jobs", "retry", "0" * 32], "jobs retry", "0" * 32),
    (["dead", "requeue", "0" * 32], "dead requeue", "0" * 32),
    (["dead", "drop", "0" * 32], "dead drop", "0" * 32),
    (["workers", "drain", "echo.cpu.0@h"], "workers drain", "echo.cpu.0@h"),
    (["abilities", "rm", "ocr"], "abilities rm", "ocr"),
    (["workers", "scale", "ocr", "3"], "workers scale", "ocr 3"),
    (["keys", "create", "shop"], "keys create", "shop"),
    (["keys", "revoke", "AK1"], "keys revoke", "AK1"),
]


@pytest.mark.parametrize(("words", "action", "target"), VERBS, ids=lambda value: "-".join(value))
def test_verb_leaves_an_entry(athena: Any, words: list[str], action: str, target: str) -> None:
    athena(*words)

    first = acts(athena)[-1]
    assert (first["action"], first["target"]) == (action, target)
    assert "@" in first["actor"]


#: Operations that change nothing.
READING = {
    "list_abilities",
    "list_acts",
    "list_apps",
    "list_dead",
    "list_failures",
    "list_gateways",
    "list_jobs",
    "list_queues",
    "list_splits",
    "list_traces",
    "list_workers",
    "look",
    "open_of",
    "pending_orders",
    "read",
    "show_job",
    "show_trace",
    "usage_of",
    "verify_trail",
    "why_waiting",
    "list_quotas",
}


def test_no_verb_changes_something_without_an_entry() -> None:
    """Whatever is run without `act` is known to change nothing."""
    found = set()
    for path in (ROOT / "athena" / "cli" / "operate").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_run = isinstance(node, ast.Call) and ast.unparse(node.func) == "desk.run"
            if is_run and isinstance(node, ast.Call) and isinstance(node.args[0], ast.Call):
                found.add(ast.unparse(node.args[0].func))

    assert found and found <= READING


def test_chain_is_checked_by_the_command(athena: Any, redis_client: redis.Redis) -> None:
    for name in ("a", "b", "c"):
        athena("queues", "pause", name)
    assert athena("audit", "--verify") == (0, "whole\n")

    entries: Any = redis_client.xrange(TRAIL)
    redis_client.xdel(TRAIL, entries[1][0])
    status, text = athena("audit", "--verify")
    assert (status, "does not fit" in text) == (1, True)
