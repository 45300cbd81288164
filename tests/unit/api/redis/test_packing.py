"""Commands as Redis wants them."""

import hiredis
from hypothesis import given
from hypothesis import strategies as st

from api.redis.packing import LARGE_BYTES, pack_commands
from athena.store.scripts import Command

LARGE = b"x" * LARGE_BYTES
ARGS = st.text(max_size=5) | st.binary(max_size=5) | st.integers() | st.just(LARGE)
COMMANDS = st.lists(st.tuples(st.just("SET"), ARGS, ARGS) | st.tuples(st.just("PING")), max_size=4)


def as_redis_reads(data: bytes) -> list[list[bytes]]:
    reader = hiredis.Reader()
    reader.feed(data)
    read = []
    while (command := reader.gets()) is not False:
        read.append(command)
    return read


@given(COMMANDS)
def test_redis_reads_what_was_packed(commands: list[Command]) -> None:
    wanted = [
        [arg if isinstance(arg, bytes) else str(arg).encode() for arg in command] for command in commands
    ]

    assert as_redis_reads(b"".join(pack_commands(commands))) == wanted


def test_small_commands_are_one_piece() -> None:
    assert len(pack_commands([("GET", "a")] * 5)) == 1
    assert pack_commands([]) == []


def test_large_argument_is_not_copied() -> None:
    pieces = pack_commands([("GET", "a"), ("SET", "k", LARGE, "EX", 5), ("GET", "b")])

    assert any(piece is LARGE for piece in pieces)
