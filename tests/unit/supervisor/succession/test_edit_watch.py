"""What the supervisor hears from the process that watches files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from athena.supervisor.succession.edit_watch import EditWatch


class Told(EditWatch):
    """Hears lines without a process that tells them."""

    def __init__(self, on_edits: "list[list[Path]]") -> None:
        super().__init__([Path("echo")], on_edits.append)
        self.coming: Iterator[list[bytes]] = iter(())

    def read_lines(self) -> list[bytes]:
        return next(self.coming, [])


@pytest.mark.parametrize("ticks_before", [0, 1, 2])
def test_it_is_ready_whoever_reads_its_first_line(ticks_before: int) -> None:
    edits: list[list[Path]] = []
    watch = Told(edits)
    assert not watch.check_ready()
    watch.coming = iter([[b"[]"]])
    for tick in range(ticks_before):
        watch.on_tick(float(tick))

    assert watch.check_ready()
    assert watch.check_ready()
    assert edits == []


def test_edits_are_handed_on_whoever_reads_them() -> None:
    edits: list[list[Path]] = []
    watch = Told(edits)
    watch.coming = iter([[b"[]", b'["a.py"]'], [b'["b.py", "c.py"]']])
    watch.check_ready()
    watch.on_tick(1.0)

    assert edits == [[Path("a.py")], [Path("b.py"), Path("c.py")]]
