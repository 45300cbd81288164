"""What scripts say of a job on its way into a queue."""

import pytest

from athena.store.verdicts import (
    ACCEPTED,
    Attached,
    Conflict,
    InputsLost,
    LetterGone,
    QueueFull,
    QueueHeavy,
    SubmitFailed,
    Verdict,
    read_verdict,
)


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        (b"attached j1 queued", Attached("j1")),
        (b"attached j1", Attached("j1")),
        (b"conflict j1", Conflict("j1")),
        (b"full 7", QueueFull(7)),
        (b"heavy 1400", QueueHeavy(1400)),
        (b"payload_lost", InputsLost()),
        (b"gone", LetterGone()),
        ("failed überall".encode(), SubmitFailed("überall")),
        (b"failed \xff", SubmitFailed("\ufffd")),
    ],
)
def test_verdict_is_read(raw: bytes, verdict: Verdict) -> None:
    assert read_verdict(raw) == verdict


def test_accepted_is_one_and_the_same() -> None:
    assert read_verdict(b"accepted") is ACCEPTED


@pytest.mark.parametrize("raw", [b"", b"perhaps", b"full", b"full of them"])
def test_what_no_script_says_is_no_verdict(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_verdict(raw)
