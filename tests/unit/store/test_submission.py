"""Commands, scripts and replies of athena.store, without a Redis; tests/integration/test_store.py has one."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.errors import CanceledError, ExpiredError
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store import keys
from athena.store.fencing import (
    Beat,
    Death,
    beat_command,
    beats,
    fence_command,
    sweep_command,
)
from athena.store.lease import (
    Draw,
    ForeignLimits,
    TakenJob,
    acquit_command,
    finish_command,
    give_back_command,
    progress_command,
    reconcile_command,
    reconciled_jobs,
    start_command,
    take_command,
    taken_jobs,
)
from athena.store.scripts import SCRIPTS, Command, Script, script_of
from athena.store.submission import (
    Reply,
    Submission,
    cancel_command,
    canceled_states,
    find_command,
    found_jobs,
    job_record,
    leave_command,
    read_command,
    split_replies,
    submit_command,
)

FOLDER = Path(keys.__file__).parent / "lua"
LIB = {path.stem: path.read_text() for path in (FOLDER / "lib").glob("*.lua")}
SOURCES = {
    path.relative_to(FOLDER).with_suffix("").as_posix(): path.read_text()
    for path in FOLDER.rglob("*.lua")
    if path.parent.name != "lib"
}

#: The functions that each part of lib defines.
FUNCTIONS = {part: set(re.findall(r"^local function (\w+)", text, re.M)) for part, text in LIB.items()}

#: The names of keys.lua.
LUA_KEYS = {
    name: value
    for names, values in re.findall(r"^local ([A-Z_, ]+) = ('athena:.*)$", LIB["keys"], re.M)
    for name, value in zip(names.split(", "), re.findall("'([^']*)'", values), strict=True)
}


def table_keys() -> set[str]:
    """Returns the keys that the table at the top of athena/store/keys.py lists, each up to its first `<`."""
    rows = re.findall(r"^\| (`.*?) \|", keys.__doc__ or "", re.M)
    return {key.partition("<")[0] for row in rows for key in re.findall("`(athena:[^`]*)`", row)}


def called(text: str) -> set[str]:
    """Returns the functions that a text calls."""
    code = re.sub(r"--.*", "", text)
    return set(re.findall(r"(?<![.\w])(\w+)\(", code)) - set(re.findall(r"function (\w+)\(", code))


def args(command: Command, script: str, keys: int = 0) -> list[Any]:
    """Returns what follows the names of the keys in a command that must run `script`."""
    found = script_of(command)
    assert found is not None and found.name == script
    assert command[:3] == ("EVALSHA", found.sha, keys)
    return list(command[3 + keys :])


# keys


def test_tables_are_read_by_this_test() -> None:
    assert {"athena:none", "athena:job:", "athena:workers"} <= table_keys()
    assert {"JOB", "INFLIGHT", "BEATS"} <= LUA_KEYS.keys()
    assert FUNCTIONS["settle"] >= {"settle", "close_books"}


@pytest.mark.parametrize("name", sorted({**SOURCES, **{f"lib/{part}": "" for part in LIB}}))
def test_every_key_of_a_script_is_in_the_table(name: str) -> None:
    named = set(re.findall(r"'(athena:[^']*)'", (FOLDER / f"{name}.lua").read_text()))

    assert named <= table_keys()


def test_every_key_of_the_table_is_named_by_a_script_or_in_python() -> None:
    python = set(re.findall(r'"(athena:[a-z_]+:?)', Path(keys.__file__).read_text()))
    lua = set(re.findall(r"'(athena:[^']*)'", "".join([*LIB.values(), *SOURCES.values()])))

    assert table_keys() == python | lua


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYLOAD", keys.payload_key("")),
        ("RESULT", keys.result_key("")),
        ("BELL", keys.bell_key("")),
        ("REPLY", keys.reply_channel("")),
        ("JOB", keys.job_key("")),
        ("MESSAGE", keys.message_key("")),
        ("INFLIGHT", keys.inflight_key("")),
        ("CANCELED", keys.canceled_key("")),
        ("OPEN", keys.open_key("")),
        ("ENDED", keys.ended_key("")),
        ("APP_OPEN", keys.app_open_key("")),
        ("APP_ENDED", keys.app_ended_key("")),
        ("LOAD", keys.load_key("")),
        ("LINE", keys.line_key("")),
        ("DEAD", keys.DEAD),
        ("WORKERS", keys.WORKERS),
        ("BEATS", keys.BEATS),
    ],
)
def test_key_has_the_same_name_in_lua_and_in_python(name: str, value: str) -> None:
    assert LUA_KEYS[name] == value


def test_final_states_are_the_same_in_lua_and_in_python() -> None:
    (final,) = re.findall(r"local FINAL = \{(.*)\}", LIB["keys"])

    assert set(re.findall(r"(\w+) = true", final)) == {str(state) for state in JobState if state.is_final}


def test_error_codes_are_the_same_in_lua_and_in_python() -> None:
    assert f"'expired', '{ExpiredError.code}'" in LIB["settle"]
    assert f"'canceled', '{CanceledError.code}'" in LIB["abandon"]


# scripts


def test_every_file_is_a_script() -> None:
    assert sorted(script.place for script in SCRIPTS) == sorted(SOURCES)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.place)
def test_script_has_the_parts_that_it_needs_and_no_others(script: Script) -> None:
    included = {part for part, text in LIB.items() if text in script.text}
    used = called(SOURCES[script.place])
    for part in included:
        used |= called(LIB[part])

    needed = {part for part, functions in FUNCTIONS.items() if functions & used}

    assert included == needed | {"keys"}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.place)
def test_function_of_a_part_is_defined_before_it_is_called(script: Script) -> None:
    for part, functions in FUNCTIONS.items():
        for name in functions & called(script.text) if LIB[part] in script.text else set():
            first = re.search(rf"\b{name}\(", script.text)
            assert first is not None
            assert script.text[: first.start()].endswith("local function "), name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.place)
def test_script_ends_with_its_own_file(script: Script) -> None:
    assert script.text.startswith(LIB["keys"])
    assert script.text.endswith(SOURCES[script.place])


def test_scripts_are_found_by_their_commands() -> None:
    assert [script_of(script.call()) for script in SCRIPTS] == list(SCRIPTS)
    assert script_of(find_command("r1")) is None


# commands


def submission(**changes: Any) -> Submission:
    ordinary: dict[str, Any] = {
        "job_id": "j1",
        "service_id": "echo",
        "queue": "echo.any",
        "message": b"{}",
        "app_id": "demo",
        "request_id": "",
        "body_hash": "h",
        "gateway": "g1",
        "abandonable": False,
        "claim": False,
        "bytes": 900,
        "max_queue_jobs": 7,
        "max_open_bytes": 5000,
        "max_queue_s": 1.5,
        "result_ttl_s": 0.25,
        "record_ttl_s": 60,
    }
    return Submission(**{**ordinary, **changes})


def test_submit_sends_times_in_milliseconds_and_the_fields_of_the_record() -> None:
    command = submit_command([submission()])

    assert command[3:5] == ("echo.any", "")
    fixed = ["j1", b"{}", 7, "g1", "h", "0", 1500, "demo", "echo", 900, 5000, "0"]
    record = ["result_ttl_ms", 250, "record_ttl_ms", 60_000]
    assert args(command, "submit", keys=2) == [*fixed, len(record), "", *record]


def test_jobs_are_submitted_one_after_the_other() -> None:
    first, second = submission(), submission(job_id="j2", queue="echo.cpu", request_id="r2")
    command = submit_command([first, second])

    assert command[3:7] == ("echo.any", "", "echo.cpu", "athena:request:r2")
    alone = [args(submit_command([job]), "submit", keys=2) for job in (first, second)]
    assert args(command, "submit", keys=4) == [*alone[0], *alone[1]]


def test_submit_names_what_is_not_ordinary() -> None:
    command = submit_command([submission(request_id="r1", abandonable=True, claim=True)])

    assert command[4] == "athena:request:r1"
    sent = args(command, "submit", keys=2)
    assert sent[5] == "1"
    assert sent[-4:] == ["request_id", "r1", "abandonable", 1]
    assert sent[11] == "1"
    assert sent[12] == len(sent[14:])
    assert len(sent[14:]) % 2 == 0


def test_job_with_a_quota_is_sent_with_it_and_remembers_its_app() -> None:
    sent = args(submit_command([submission(quota="demo\0- - 5 - - -\0")]), "submit", keys=2)

    assert sent[13] == "demo\0- - 5 - - -\0"
    assert sent[-2:] == ["meter", "demo"]
    assert sent[12] == len(sent[14:])


def test_take_names_the_queues_in_their_order() -> None:
    command = take_command("w1", [Draw("echo.cpu"), Draw("echo.any", 1)], 3, ForeignLimits(1.5, 60, 2), 7)

    assert command[3:5] == ("echo.cpu", "echo.any")
    assert args(command, "take", keys=2) == ["w1", 3, 1500, 60_000, 2000, 7, 0, 1]


def test_start_sends_pairs() -> None:
    command = start_command("cpu", "echo.cpu.0@host", [("j1", "1:w1"), ("j2", "2:w1")])

    assert args(command, "start") == ["cpu", "echo.cpu.0@host", "j1", "1:w1", "j2", "2:w1"]


def test_finish_sends_as_much_of_each_job_as_its_script_reads() -> None:
    good = Outcome(JobState.SUCCEEDED, b"\x00{}", exec_ms=1.25, batch_size=2)
    bad = Outcome(JobState.FAILED, code=10909, message="ü", batch_size=0, place="a.py:1")

    sent = args(finish_command("w1", "cpu", "host", [("j1", "1:w1", good), ("j2", "2:w1", bad)]), "finish")

    (per_job,) = re.findall(r"local PER_JOB = (\d+)", SOURCES["lease/finish"])
    assert sent[:3] == ["w1", "cpu", "host"]
    assert sent[3 : 3 + int(per_job)] == ["j1", "1:w1", "succeeded", 0, "", b"\x00{}", "1.25", 2]
    assert sent[3 + int(per_job) :] == ["j2", "2:w1", "failed", 10909, "ü", "a.py:1", "0.0", 0]


def test_fence_tells_who_is_to_blame() -> None:
    death = Death(
        "killed",
        ("j1", "j2"),
        max_attempts=3,
        dead_ttl_s=1.5,
        service_id="echo",
        gpu_type="T4",
        cause="crashed",
        worker="a-worker",
    )

    sent = args(fence_command("w1", death), "fence")

    what = ["w1", "killed", "death", 3, 1500, 10102, "", "1", ""]
    assert sent == [*what, "echo", "T4", "crashed", "a-worker", "j1", "j2"]


def test_fence_tells_that_nobody_knows_who_is_to_blame() -> None:
    death = Death("silent", None, 3, 1, overran=True, overrun_message="too slow")

    sent = args(fence_command("w1", death, silent_since_beat=7), "fence")

    assert sent == ["w1", "silent", "overrun", 3, 1000, 10102, "too slow", "0", 7, "", "", "", ""]


@pytest.mark.parametrize(
    ("command", "script", "sent"),
    [
        (reconcile_command("w1", iter([("j1", "1.1:w1")])), "reconcile", ["w1", "j1", "1.1:w1"]),
        (reconcile_command("w1", []), "reconcile", ["w1"]),
        (beat_command({"w1": 0, "w2": 0}), "beat", ["w1", "w2"]),
        (read_command("j1"), "read", ["j1", ""]),
        (read_command("j1", "g1"), "read", ["j1", "g1"]),
        (leave_command("j1", "g1"), "leave", ["j1", "g1"]),
        (cancel_command(iter(["j1", "j2"]), "why"), "cancel", ["why", "j1", "j2"]),
        (progress_command(iter([("j1", "1:w1", "0.5")])), "progress", ["j1", "1:w1", "0.5"]),
        (give_back_command("w1", iter([("j1", "1.1:w1")])), "give_back", ["w1", "", "j1", "1.1:w1"]),
        (
            acquit_command("w1", "name", "why", iter([("j1", "1.1:w1")])),
            "acquit",
            ["w1", "why", "name", "j1", "1.1:w1"],
        ),
        (give_back_command("w1", [("j1", "1.1:w1")], "why"), "give_back", ["w1", "why", "j1", "1.1:w1"]),
    ],
)
def test_small_commands(command: Command, script: str, sent: list[str]) -> None:
    assert args(command, script) == sent


# replies


def test_taken_jobs_are_read_in_their_order() -> None:
    reply = [
        *(b"j1", b"1:w1", b"echo.cpu", b"\xff{}", b"", 1500),
        *(b"j2", b"3:w1", b"echo.any", b"", b"1", -20),
    ]

    assert taken_jobs(reply) == [
        TakenJob("j1", "1:w1", "echo.cpu", b"\xff{}", False, 1.5),
        TakenJob("j2", "3:w1", "echo.any", b"", True, -0.02),
    ]


def test_no_jobs_are_not_the_same_as_being_fenced() -> None:
    assert taken_jobs([]) == []
    assert taken_jobs(None) is None


def test_record_is_read_with_its_result() -> None:
    flat = [b"state", b"succeeded", b"code", b"0", b"later", b"x"]
    record = job_record("j1", [flat, b"{}", None, None, None])

    assert record is not None
    assert (record.job_id, record.state, record.result) == ("j1", JobState.SUCCEEDED, b"{}")
    assert (record.attempts, record.worker) == (0, "")


def test_unknown_job_has_no_record() -> None:
    assert job_record("j1", [[], None, None, None, None]) is None


@pytest.mark.parametrize(("given_out", "position"), [(None, 7), (b"2", 5), (b"7", 1), (b"9", 1)])
def test_position_is_how_far_the_queue_has_to_go(given_out: bytes | None, position: int) -> None:
    record = job_record("j1", [[b"state", b"queued", b"seq", b"7"], None, given_out, b"1", b"because"])

    assert record is not None
    assert (record.position, record.is_paused, record.queue_waits) == (position, True, "because")


@pytest.mark.parametrize("fields", [[b"state", b"running"], [b"state", b"queued", b"token", b"1:w1"]])
def test_job_that_a_worker_holds_has_no_position(fields: list[bytes]) -> None:
    record = job_record("j1", [[*fields, b"seq", b"7"], None, b"2", None, None])

    assert record is not None
    assert (record.position, record.is_paused) == (0, False)


def test_small_replies() -> None:
    assert beats([[b"1", [b"j1"]], [b"0", []]]) == [Beat(False, frozenset({"j1"})), Beat(True, frozenset())]
    assert canceled_states([b"queued", b""]) == [JobState.QUEUED, None]
    assert reconciled_jobs([[b"j1"], [b"j2"]]) == (["j1"], ["j2"])


def test_sweep_names_the_queues() -> None:
    command = sweep_command("echo", ["echo.cpu", "echo.any"], 60, 1.5, thorough=True)

    assert command[3:5] == ("echo.cpu", "echo.any")
    assert args(command, "sweep", keys=2) == ["echo", 60_000, 1500, "1", ""]


def test_jobs_are_found_by_their_app() -> None:
    reply = [b"echo\0a b", b"j1 hash", "echo\0ü".encode(), b"j2 ", b"an older one", b"j3 hash"]

    assert found_jobs(reply) == [("echo", "a b", "j1"), ("echo", "ü", "j2"), ("", "an older one", "j3")]
    assert found_jobs([]) == []


def frame(reply: Reply) -> bytes:
    """Packs a reply as settle.lua does."""
    inline, payload = (b"0", b"") if reply.payload is None else (b"1", reply.payload)
    texts = (reply.job_id, str(reply.state), str(reply.code), reply.message, reply.gpu_type)
    parts = [*(text.encode() for text in texts), inline, payload]
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


replies = st.builds(
    Reply,
    job_id=st.text(min_size=1, max_size=40),
    state=st.sampled_from([state for state in JobState if state.is_final]),
    code=st.integers(0, 99_999),
    message=st.text(max_size=20),
    gpu_type=st.text(max_size=8),
    payload=st.none() | st.binary(max_size=300),
)


@given(st.lists(replies, max_size=4))
def test_replies_survive_their_way_through_a_channel(sent: list[Reply]) -> None:
    assert split_replies(b"".join(map(frame, sent))) == sent


def test_script_packs_as_many_texts_as_are_read() -> None:
    (format,) = re.findall(r"struct\.pack\('([^']*)'", LIB["settle"])

    reply = Reply("j1", JobState.FAILED, 10909, "", "", None)
    assert format == "<" + "I4c0" * 7
    assert len(frame(reply)) == len(struct.pack("<" + "I" * 7, *range(7))) + len("j1failed109090")
