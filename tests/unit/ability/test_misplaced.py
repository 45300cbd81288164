"""Keys of ability.toml that ended up in `[config]`."""

from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.ability.misplaced import misplaced_keys

WRAPPER = "class Wrapper:\n    def wrapperInit(self, config):\n        return 0\n"


def ability_in(folder: Path, manifest: str, wrapper: str = WRAPPER) -> Path:
    """Writes an ability."""
    folder.mkdir()
    (folder / "ability.toml").write_text(manifest)
    (folder / "wrapper.py").write_text(wrapper)
    return folder


@pytest.mark.parametrize(
    ("line", "option", "place"),
    [
        ("beside = true", "beside", "the head of the file"),
        ("requirements = true", "worker.requirements", "[worker]"),
        ("max_exec_s = 5", "limits.max_exec_s", "[limits]"),
    ],
)
def test_line_that_was_added_at_the_end_is_told_with_its_place(
    line: str, option: str, place: str, tmp_path: Path
) -> None:
    folder = ability_in(tmp_path / "a", f'version = "v2"\n\n[config]\nmodel = "m"\n{line}\n')

    [finding] = misplaced_keys(load_ability(folder))

    assert f"so {option} is not set" in finding.text and place in finding.remedy
    assert (finding.file, finding.line) == (str(folder / "ability.toml"), 5)


def test_keys_that_the_wrapper_reads_and_keys_in_their_place_are_left_alone(tmp_path: Path) -> None:
    reading = WRAPPER.replace("return 0", "self.kind = config['version']\n        return 0")
    own = ability_in(tmp_path / "own", '[config]\nversion = "large"\nmodel = "m"\n', reading)
    right = ability_in(tmp_path / "right", 'version = "v2"\n[worker]\nslots = 8\n[config]\nmodel = "m"\n')
    bare = ability_in(tmp_path / "bare", "")

    assert [*misplaced_keys(load_ability(own)), *misplaced_keys(load_ability(right))] == []
    assert list(misplaced_keys(load_ability(bare))) == []
