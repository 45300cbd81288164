"""What an enemy sends harms neither the gateway nor other callers: the short form of `make hostile`."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import ECHO, Stack, serving
from tests.hostile.__main__ import GROWTH_LIMIT_MB, attack
from tests.hostile.attacks import ATTACKS

pytestmark = pytest.mark.e2e

SECONDS = 1.5


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with serving(tmp_path_factory.mktemp("hostile"), ECHO) as running:
        yield running


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_harms_nobody_else(gateway: Stack, name: str) -> None:
    figures = attack(gateway, name, SECONDS)

    assert figures.calls > 0
    assert figures.failed == 0
    assert figures.growth_mb < GROWTH_LIMIT_MB
