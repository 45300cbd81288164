"""A job's states, the message that carries it, and its record."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from athena.errors import NewerMessageError, RequestError
from athena.jobs.message import MEMBERS, JobMessage, MessageInput, input_bytes, make_message
from athena.jobs.record import JobRecord, Outcome
from athena.protocol.enums import JobState
from athena.protocol.envelope import InputValue

JOB_ID = "00112233445566778899aabbccddeeff"

HI = InputValue("text", 0, 3, "aGk=", b"hi", {"encoding": "utf8"})
PICTURE = InputValue("picture", 2, 3, "AAEC", b"\x00\x01\x02", {})

MESSAGE = JobMessage(
    JOB_ID,
    "echo",
    {"suffix": "!"},
    (MessageInput("text", 0, 3, 2, "aGk=", {"encoding": "utf8"}),),
    {"text": {"format": "plain"}},
)

FULL = {
    b"service_id": b"echo",
    b"app_id": b"app",
    b"request_id": b"r1",
    b"state": b"succeeded",
    b"queue": b"echo.any",
    b"gpu_type": b"cpu",
    b"worker": b"echo.cpu.0@host",
    b"attempts": b"2",
    b"queued_ms": b"1795425211798",
    b"started_ms": b"1795425211800",
    b"finished_ms": b"1795425211801",
    b"code": b"0",
    b"message": "schön".encode(),
    b"result_ttl_ms": b"60000",
}


def made(inputs: list[InputValue], limit: int) -> tuple[JobMessage, bytes | None]:
    return make_message(JOB_ID, "echo", {}, inputs, {}, limit)


@pytest.mark.parametrize(
    ("state", "is_final"),
    [
        ("queued", False),
        ("running", False),
        ("succeeded", True),
        ("failed", True),
        ("canceled", True),
        ("expired", True),
        ("timed_out", True),
        ("poisoned", True),
    ],
)
def test_state_is_a_word_and_final_or_not(state: str, is_final: bool) -> None:
    assert JobState(state).is_final is is_final
    assert str(JobState(state)) == state


def test_there_are_no_other_states() -> None:
    assert len(JobState) == 8
    with pytest.raises(ValueError, match="lost"):
        JobState("lost")


texts = st.text(max_size=5)
message_inputs = st.builds(
    MessageInput,
    key=texts,
    type=st.integers(0, 3),
    status=st.integers(0, 3),
    size=st.integers(0, 10**9),
    text=st.none() | texts,
    attributes=st.dictionaries(texts, texts, max_size=2),
)
messages = st.builds(
    JobMessage,
    job_id=texts,
    service_id=texts,
    params=st.dictionaries(texts, texts, max_size=2),
    inputs=st.lists(message_inputs, max_size=3).map(tuple),
    expected=st.dictionaries(texts, st.dictionaries(texts, st.none() | texts, max_size=2), max_size=2),
    claim=st.booleans(),
    resource_id=texts,
    max_exec_s=st.floats(0, 86400),
)


@settings(deadline=None, derandomize=True)
@given(messages)
def test_message_survives_its_way_through_the_queue(message: JobMessage) -> None:
    assert JobMessage.decode(json.loads(json.dumps(message.encode()))) == message


def test_members_of_a_later_message_are_ignored() -> None:
    assert JobMessage.decode({**MESSAGE.encode(), "later": 1}) == MESSAGE


def test_resource_is_written_only_when_one_was_named() -> None:
    assert "resource_id" not in MESSAGE.encode()
    assert MESSAGE._replace(resource_id="anna").encode()["resource_id"] == "anna"


@pytest.mark.parametrize(
    ("version", "kind"),
    [(0, RequestError), ("2", RequestError), (None, RequestError), (2, NewerMessageError)],
)
def test_message_of_another_version_is_refused(version: Any, kind: type[RequestError]) -> None:
    with pytest.raises(RequestError) as error:
        JobMessage.decode({**MESSAGE.encode(), "v": version})

    expected = f"queue message version {version!r} is not known here; this worker reads up to 1"
    assert (type(error.value), error.value.message) == (kind, expected)


def test_member_that_must_be_understood_needs_a_newer_worker() -> None:
    document = {**MESSAGE.encode(), "needs": ["claim", "deadline"], "deadline": 5}

    with pytest.raises(NewerMessageError, match="needs deadline, which is not known here"):
        JobMessage.decode(document)
    assert JobMessage.decode({**document, "needs": ["claim"]}) == MESSAGE
    with pytest.raises(RequestError, match="malformed: needs is no list"):
        JobMessage.decode({**document, "needs": 5})


def test_members_that_can_be_needed_are_those_that_are_written() -> None:
    message = MESSAGE._replace(resource_id="anna", max_exec_s=1, trace="t")

    assert message.encode().keys() | {"needs"} == MEMBERS


@pytest.mark.parametrize("missing", ["id", "service_id", "params", "inputs", "expected", "claim"])
def test_message_without_a_member_is_refused_with_its_name(missing: str) -> None:
    document = MESSAGE.encode()
    del document[missing]

    with pytest.raises(RequestError, match=f"the queue message is malformed: KeyError: '{missing}'"):
        JobMessage.decode(document)


def test_message_whose_params_are_something_else_is_refused() -> None:
    with pytest.raises(RequestError, match="malformed: params is no object"):
        JobMessage.decode({**MESSAGE.encode(), "params": 5})


@pytest.mark.parametrize("inputs", [None, 5, [["text", 0]], [5]])
def test_message_whose_inputs_are_something_else_is_refused(inputs: Any) -> None:
    with pytest.raises(RequestError, match="the queue message is malformed: TypeError"):
        JobMessage.decode({**MESSAGE.encode(), "inputs": inputs})


def test_small_inputs_ride_in_the_message() -> None:
    message, payload = made([HI, PICTURE], 5)

    assert payload is None
    assert not message.claim
    assert message.inputs == (
        MessageInput("text", 0, 3, 2, "aGk=", {"encoding": "utf8"}),
        MessageInput("picture", 2, 3, 3, "AAEC", {}),
    )


def test_large_inputs_lie_beside_the_message_all_together() -> None:
    message, payload = made([HI, PICTURE], 4)

    assert payload == b"hi\x00\x01\x02"
    assert message.claim
    assert [(item.key, item.size, item.text) for item in message.inputs] == [
        ("text", 2, None),
        ("picture", 3, None),
    ]
    assert message.inputs[0].attributes == {"encoding": "utf8"}


def test_large_input_that_is_alone_is_not_copied() -> None:
    _, payload = made([PICTURE], 2)

    assert payload is PICTURE.data


def test_message_without_inputs_has_nothing_beside_it() -> None:
    message, payload = made([], 0)

    assert (message.inputs, message.claim, payload) == ((), False, None)
    assert input_bytes(message, None) == []


def test_message_names_what_it_was_made_of() -> None:
    expected: dict[str, dict[str, Any]] = {"text": {"format": "json"}}

    message, _ = make_message(JOB_ID, "echo", {"suffix": "!"}, [], expected, 16, resource_id="anna")

    assert message == JobMessage(JOB_ID, "echo", {"suffix": "!"}, (), expected, False, "anna")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=4), max_size=4), st.integers(0, 16))
def test_worker_gets_the_bytes_that_the_gateway_had(pieces: list[bytes], limit: int) -> None:
    inputs = [HI._replace(data=piece, text=base64.b64encode(piece).decode()) for piece in pieces]

    message, payload = made(inputs, limit)

    assert input_bytes(JobMessage.decode(message.encode()), payload) == pieces
    assert (payload is not None) == message.claim == (sum(map(len, pieces)) > limit)


def test_inputs_that_are_gone_are_an_error() -> None:
    message, _ = made([PICTURE], 0)

    with pytest.raises(ValueError, match=f"payload of job {JOB_ID} is gone"):
        input_bytes(message, None)


def test_record_is_read_from_its_hash() -> None:
    record = JobRecord.decode(JOB_ID, FULL, b"{}")

    assert record == JobRecord(
        job_id=JOB_ID,
        service_id="echo",
        app_id="app",
        request_id="r1",
        state=JobState.SUCCEEDED,
        queue="echo.any",
        gpu_type="cpu",
        worker="echo.cpu.0@host",
        attempts=2,
        queued_ms=1795425211798,
        started_ms=1795425211800,
        finished_ms=1795425211801,
        code=0,
        message="schön",
        result=b"{}",
    )


@pytest.mark.parametrize("empty", [{}, {b"attempts": b"", b"code": b"", b"started_ms": b""}])
def test_record_of_a_fresh_job_has_few_fields(empty: dict[bytes, bytes]) -> None:
    record = JobRecord.decode(JOB_ID, {b"state": b"queued", b"service_id": b"echo", **empty}, None)

    assert (record.state, record.service_id, record.result) == (JobState.QUEUED, "echo", None)
    assert (record.request_id, record.gpu_type, record.message) == ("", "", "")
    assert (record.attempts, record.started_ms, record.finished_ms, record.code) == (0, 0, 0, 0)


def test_record_is_described_without_its_result() -> None:
    described = JobRecord.decode(JOB_ID, FULL, b'{"text":{}}').describe()

    assert described == {
        "id": JOB_ID,
        "service_id": "echo",
        "state": "succeeded",
        "app_id": "app",
        "request_id": "r1",
        "retry_of": None,
        "queue": "echo.any",
        "position": None,
        "gpu_type": "cpu",
        "worker": "echo.cpu.0@host",
        "attempts": 2,
        "deaths": 0,
        "last_failure": None,
        "progress": None,
        "queued_ms": 1795425211798,
        "started_ms": 1795425211800,
        "finished_ms": 1795425211801,
        "retry_at_ms": None,
        "exec_ms": None,
        "batch_size": None,
        "code": 0,
        "message": None,
        "place": None,
    }
    assert json.loads(json.dumps(described)) == described


def test_what_has_not_happened_yet_is_described_as_null() -> None:
    described = JobRecord.decode(JOB_ID, {b"state": b"queued", b"queued_ms": b"7"}, None).describe()

    unknown = {name for name, value in described.items() if value is None}
    assert {"request_id", "gpu_type", "worker", "started_ms", "finished_ms", "last_failure"} <= unknown
    assert not {"id", "state", "attempts", "deaths"} & unknown
    assert described["queued_ms"] == 7


def test_outcome_of_a_success_needs_no_more_than_its_payload() -> None:
    outcome = Outcome(JobState.SUCCEEDED, b"{}")

    assert (outcome.code, outcome.message, outcome.exec_ms, outcome.batch_size) == (0, "", 0, 1)
