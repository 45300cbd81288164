"""The first load of an ability on a host: alone, and the others after it."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import Child
from athena.supervisor.loading.first_load import FirstLoad
from athena.supervisor.loading.load_marks import KEPT_S, LoadMarks, mark_of

PATIENCE_S = 100.0


class Puppet(Child):
    """A child whose process ends when a test says so."""

    def __init__(self, name: str) -> None:
        super().__init__(name, 1)
        self.has_ended = False

    def command(self) -> Sequence[str]:
        return ()

    def check_ready(self) -> bool:
        return True

    def exit_status(self) -> int | None:
        return 1 if self.has_ended else None


@pytest.fixture
def reading(tmp_path: Path) -> AbilityReading:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "wrapper.py").write_text("class Wrapper:\n    pass\n")
    return AbilityReading(load_ability(folder))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def host(reading: AbilityReading, cache: Path | None) -> FirstLoad:
    """One supervisor's view; several share a cache as those of one host do."""
    return FirstLoad(reading, LoadMarks(cache), PATIENCE_S)


@pytest.mark.parametrize("has_cache", [True, False])
def test_the_others_load_when_the_first_one_serves(
    reading: AbilityReading, cache: Path, has_cache: bool
) -> None:
    turn, (first, second, third) = host(reading, cache if has_cache else None), map(Puppet, "abc")

    before = [turn.may_begin(child, 0) for child in (first, second, third, first)]
    turn.note_served(first)
    after = [turn.may_begin(child, 1) for child in (second, third)]

    assert before == [True, False, False, True]
    assert after == [True, True]


def test_another_one_tries_when_the_first_one_has_ended(reading: AbilityReading, cache: Path) -> None:
    turn, (first, second, third) = host(reading, cache), map(Puppet, "abc")

    turn.may_begin(first, 0)
    turn.note_end(first)

    assert [turn.may_begin(child, 1) for child in (second, first, third)] == [True, False, False]


def test_one_that_ended_while_all_start_is_seen_by_itself(reading: AbilityReading, cache: Path) -> None:
    turn, first, second = host(reading, cache), Puppet("a"), Puppet("b")

    turn.may_begin(first, 0)
    first.process = object()  # type: ignore[assignment]
    first.has_ended = True

    assert turn.may_begin(second, 1)


def test_nobody_waits_for_ever(reading: AbilityReading, cache: Path) -> None:
    turn, first, second = host(reading, cache), Puppet("a"), Puppet("b")

    turn.may_begin(first, 0)

    assert not turn.may_begin(second, 5)
    assert not turn.may_begin(second, 5 + PATIENCE_S - 1)
    assert turn.may_begin(second, 5 + PATIENCE_S)


def test_who_served_beside_a_first_one_that_hangs_lets_the_others_load(
    reading: AbilityReading, cache: Path
) -> None:
    turn, (first, second, third) = host(reading, cache), map(Puppet, "abc")

    turn.may_begin(first, 0)
    turn.may_begin(second, 0)
    turn.may_begin(second, PATIENCE_S)
    turn.note_served(second)

    assert turn.may_begin(third, PATIENCE_S)


def test_supervisors_of_one_host_hear_of_each_other(reading: AbilityReading, cache: Path) -> None:
    here, there, first, second = host(reading, cache), host(reading, cache), Puppet("a"), Puppet("b")

    begun = here.may_begin(first, 0), there.may_begin(second, 0)
    here.note_served(first)

    assert begun == (True, False)
    assert there.may_begin(second, 1)
    # A later start of either, too.
    later, children = host(reading, cache), [Puppet("c"), Puppet("d")]
    assert [later.may_begin(child, 0) for child in children] == [True, True]


def test_lock_of_a_first_one_that_has_ended_is_free(reading: AbilityReading, cache: Path) -> None:
    here, there, first, second = host(reading, cache), host(reading, cache), Puppet("a"), Puppet("b")

    here.may_begin(first, 0)
    here.note_end(first)

    assert there.may_begin(second, 0)


def test_ability_that_was_edited_has_never_loaded(reading: AbilityReading, cache: Path) -> None:
    turn, first, second = host(reading, cache), Puppet("a"), Puppet("b")
    turn.may_begin(first, 0)
    turn.note_served(first)

    reading.ability.wrapper_path.write_text("class Wrapper:\n    model = 'another'\n")

    assert [turn.may_begin(first, 1), turn.may_begin(second, 1)] == [True, False]


@pytest.mark.parametrize("obstacle", ["a file", "no right"])
def test_cache_that_cannot_be_used_keeps_nobody_from_loading(
    reading: AbilityReading, tmp_path: Path, obstacle: str
) -> None:
    cache = Path("/proc/nowhere") if obstacle == "no right" else tmp_path / "file"
    if obstacle == "a file":
        cache.touch()
    turn, first, second = host(reading, cache), Puppet("a"), Puppet("b")

    assert [turn.may_begin(first, 0), turn.may_begin(second, 0)] == [True, False]
    turn.note_served(first)
    assert turn.may_begin(second, 0)


def test_marks_of_old_edits_are_forgotten(reading: AbilityReading, cache: Path) -> None:
    marks = LoadMarks(cache)
    for name in ("old", "new"):
        lock = marks.lock(name)
        assert lock is not None
        marks.add(name, lock)
        marks.unlock(lock)
        if name == "old":
            long_ago_s = time.time() - KEPT_S - 1
            os.utime(cache / "loaded" / "old", (long_ago_s, long_ago_s))

    assert [path.name for path in (cache / "loaded").iterdir()] == ["new"]
    assert mark_of(reading.ability).startswith("toy-")
