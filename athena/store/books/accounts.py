"""What metered applications have open, as scripts keep it (`lua/lib/meter.lua`)."""

import struct
from dataclasses import dataclass

#: open jobs, queued ones, their bytes; tokens of the bucket, and when; a day, milliseconds of devices on it.
_FORM = struct.Struct("<7d")


@dataclass(frozen=True)
class Account:
    """What an application has open, in one ability or in all.

    Attributes:
        open: jobs that wait or are run.
        queued: jobs that wait.
        bytes: messages and inputs of the jobs that wait or are run.
    """

    open: int = 0
    queued: int = 0
    bytes: int = 0


def decode_account(raw: bytes | None) -> Account:
    """Reads a field of an account; what is not there or cannot be read is nothing, as scripts take it."""
    if raw is None or len(raw) != _FORM.size:
        return Account()
    return Account(*(int(number) for number in _FORM.unpack(raw)[:3]))
