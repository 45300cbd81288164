"""The models that `make models` serves."""

import re

import pytest

from tests.models.catalogue import FOLDER, IN_CI, NOTHING, SUBJECTS, Subject, pins, versions


@pytest.mark.parametrize("subject", [NOTHING, *SUBJECTS], ids=lambda subject: subject.name)
def test_model_has_a_file_and_pinned_packages(subject: Subject) -> None:
    source = (FOLDER / "subjects" / subject.group / f"{subject.name}.py").read_text(encoding="utf-8")

    assert ("def answers(" in source) == (subject.max_batch > 1)
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+", item) for item in versions(subject))


def test_every_package_is_one_of_a_model_and_has_hashes() -> None:
    known = pins()

    assert known.keys() == {package for subject in SUBJECTS for package in subject.packages}
    assert all("--hash=sha256:" in entry for entry in known.values())


def test_every_file_is_served() -> None:
    there = {path.stem for path in (FOLDER / "subjects").glob("*/*.py")} - {"made"}

    assert there == {subject.name for subject in (NOTHING, *SUBJECTS)}


def test_the_suite_serves_some_of_many() -> None:
    assert len(SUBJECTS) >= 15
    assert len(IN_CI) == 4
