"""What a job hands to the wrapper, read by its call or before it."""

import pytest

from athena.jobs.message import JobMessage, MessageInput
from athena.protocol.interface import DataSpec, Interface, Limits
from workers.batching.jobs import BatchJob
from workers.runtime.arguments import ArgumentReader
from workers.runtime.recheck import Recheck

TEXT = DataSpec("text")
INTERFACE = Interface("echo", "v1", "", (), (TEXT,), (TEXT,), ("cpu",), False, Limits())


class Beside:
    """The inputs that lie beside messages."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.read: list[str] = []

    def __call__(self, job_id: str) -> bytes | None:
        self.read.append(job_id)
        return self.kept.get(job_id)


@pytest.fixture
def beside() -> Beside:
    return Beside()


@pytest.fixture
def reader(beside: Beside) -> ArgumentReader:
    return ArgumentReader(Recheck(INTERFACE), beside, 1000)


def job(size_bytes: int) -> BatchJob:
    inputs = (MessageInput("text", 0, 3, size_bytes, None, {}),)
    message = JobMessage("j1", "echo", {"n": "1"}, inputs, {}, claim=True, interface=INTERFACE.digest)
    return BatchJob("j1", message)


def test_what_was_prepared_is_taken_once(reader: ArgumentReader, beside: Beside) -> None:
    beside.kept["j1"] = b"hello"
    item = job(5)

    assert reader.prepare(item) == 5
    first = reader.take(item)
    first.params["n"] = "changed by the wrapper"
    first.inputs.list.clear()
    second = reader.take(item)

    assert beside.read == ["j1", "j1"]
    assert (second.params, [node.data for node in second.inputs.list]) == (
        {"n": "1", "sid": "j1"},
        [b"hello"],
    )


def test_what_was_not_prepared_is_read(reader: ArgumentReader, beside: Beside) -> None:
    beside.kept["j1"] = b"hello"

    assert [node.data for node in reader.take(job(5)).inputs.list] == [b"hello"]


def test_what_is_wrong_is_told_by_the_call(reader: ArgumentReader, beside: Beside) -> None:
    item = job(5)

    assert reader.prepare(item) == 0
    with pytest.raises(Exception, match="payload of job j1 is gone"):
        reader.take(item)
    beside.kept["j1"] = b"hello"
    # A second run of the same job asks anew.
    assert [node.data for node in reader.take(item).inputs.list] == [b"hello"]
