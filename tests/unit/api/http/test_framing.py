"""How what a connection receives is cut: a body passes whole, requests are taken slice by slice."""

import pytest

from api.http.framing import SLICE_BYTES, Framing
from athena.errors import AthenaError

BODY_BYTES = 10 * SLICE_BYTES


class Recorder(Framing):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[int] = []
        #: Those of all bodies.
        self.all_pieces: list[int] = []
        self.requests = 0
        self.refusals: list[AthenaError] = []
        self.waits = False

    def begin_request(self) -> None:
        self.pieces = []

    def add_body(self, body: bytes) -> None:
        self.pieces.append(len(body))
        self.all_pieces.append(len(body))

    def end_request(self) -> None:
        self.requests += 1

    def refuse(self, error: AthenaError) -> None:
        self.refusals.append(error)
        self.is_input_over = True

    def must_wait(self) -> bool:
        return self.waits


def head(*fields: str) -> bytes:
    return "\r\n".join(("POST /echo HTTP/1.1", "host: a", *fields, "", "")).encode()


def test_rest_of_a_body_is_parsed_at_once() -> None:
    framing = Recorder()

    framing.receive(head(f"content-length: {BODY_BYTES}"))
    framing.receive(b"x" * (BODY_BYTES - 5))
    framing.receive(b"x" * 5)

    assert (framing.pieces, framing.requests, framing.held) == ([BODY_BYTES - 5, 5], 1, None)


@pytest.mark.parametrize("behind", [head("content-length: 0"), b"x"], ids=["request", "nonsense"])
def test_what_is_behind_a_body_is_not_taken_with_it(behind: bytes) -> None:
    framing = Recorder()

    framing.receive(head(f"content-length: {BODY_BYTES}"))
    framing.receive(b"x" * BODY_BYTES + behind)

    assert max(framing.all_pieces) <= SLICE_BYTES and sum(framing.all_pieces) == BODY_BYTES
    assert framing.requests == (2 if behind != b"x" else 1)


def test_chunks_are_parsed_in_slices() -> None:
    framing = Recorder()

    framing.receive(head("transfer-encoding: chunked"))
    framing.receive(b"%x\r\n%s\r\n0\r\n\r\n" % (BODY_BYTES, b"x" * BODY_BYTES))

    assert framing.requests == 1
    assert max(framing.pieces) <= SLICE_BYTES and sum(framing.pieces) == BODY_BYTES


def test_nothing_is_parsed_that_has_to_wait() -> None:
    framing = Recorder()
    framing.receive(head(f"content-length: {BODY_BYTES}"))

    framing.waits = True
    framing.receive(b"x" * BODY_BYTES)
    assert (framing.pieces, framing.requests) == ([], 0)

    framing.waits = False
    framing.receive_held()
    assert (sum(framing.pieces), framing.requests) == (BODY_BYTES, 1)


def test_second_body_is_measured_by_its_own_head() -> None:
    framing = Recorder()
    for _ in range(2):
        framing.receive(head(f"content-length: {BODY_BYTES}"))
        framing.receive(b"x" * BODY_BYTES)
        assert framing.pieces == [BODY_BYTES]

    assert framing.requests == 2 and not framing.refusals
