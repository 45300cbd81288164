"""How Linux shares the cores out while something is measured: by thread, whoever started it.

By default it shares them out by session first (`autogroup`, sched(7)), and then within each. A contestant
that is one session gets as much as each process of ours, which are sessions of their own: the same build gave
0.6 to 1.06 times another server's requests a second.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SWITCH = Path("/proc/sys/kernel/sched_autogroup_enabled")

ON, OFF = "1", "0"


def sharing(switch: Path = SWITCH) -> str:
    """Returns by what the cores are shared out: `session` or `thread`."""
    try:
        return "session" if switch.read_text().strip() == ON else "thread"
    except OSError:
        # A kernel without it.
        return "thread"


@contextmanager
def shared_alike(switch: Path = SWITCH) -> Iterator[None]:
    """Has the cores shared out by thread while the block lasts, where this user may say so; root may."""
    is_ours = False
    # Blocks lie within each other: the outermost one changes it, and puts it back.
    with contextlib.suppress(OSError):
        if sharing(switch) == "session":
            switch.write_text(OFF)
            is_ours = True
    try:
        yield
    finally:
        if is_ours:
            switch.write_text(ON)
