"""Models out of packages that open their own sessions, served unchanged, answer as their own scripts do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack
from tests.models.catalogue import IN_CI, Subject, install
from tests.models.trial import compare, lay_out_all, served

pytestmark = pytest.mark.e2e

#: As many calls as make each client ask for each input once.
CALLS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    install(IN_CI)
    with served(lay_out_all(IN_CI, folder), folder) as running:
        yield running


@pytest.mark.parametrize("subject", IN_CI, ids=lambda subject: subject.name)
def test_a_model_answers_as_a_plain_script_does(stack: Stack, folder: Path, subject: Subject) -> None:
    found = compare(stack, subject, folder, CALLS)

    assert found.is_equal
    assert found.worker_ms > 0
