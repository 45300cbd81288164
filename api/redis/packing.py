"""Commands as Redis wants them, without a copy of what is large. Pure."""

from collections.abc import Iterable

from hiredis import pack_command

from athena.store.scripts import Command

#: Below this size, joining is cheaper than one buffer more.
LARGE_BYTES = 65_536


def pack_commands(commands: Iterable[Command]) -> list[bytes]:
    """Returns what is to be written, in pieces; large arguments are pieces of their own, not copied."""
    pieces: list[bytes] = []
    small: list[bytes] = []
    for command in commands:
        if any(isinstance(arg, bytes) and len(arg) >= LARGE_BYTES for arg in command):
            pieces += [b"".join(small), *_pieces(command)]
            small = []
        else:
            # hiredis' own types allow a tuple of one only.
            small.append(pack_command(command))  # type: ignore[arg-type]
    pieces.append(b"".join(small))
    return [piece for piece in pieces if piece]


def _pieces(command: Command) -> Iterable[bytes]:
    """Returns one command: the length of each argument, the argument, and the end of its line."""
    head = b"*%d\r\n" % len(command)
    for arg in command:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        yield head + b"$%d\r\n" % len(data)
        yield data
        head = b"\r\n"
    yield head
