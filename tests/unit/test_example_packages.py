"""Examples ask for the packages that are tested."""

import pytest

from tests.house import ROOT
from tests.models.catalogue import SUBJECTS, versions
from tests.models.examples import SAME, requirements


@pytest.mark.parametrize("example", sorted(SAME))
def test_examples_ask_for_the_versions_that_are_tested(example: str) -> None:
    (subject,) = [item for item in SUBJECTS if item.name == SAME[example]]

    assert requirements(example) == [next(versions(subject))]


def test_packages_of_each_example_are_known() -> None:
    assert {path.parent.name for path in ROOT.glob("examples/*/requirements.txt")} == set(SAME)
