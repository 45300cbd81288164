"""The clients that cost nothing to install call a real gateway: the short form of `make clients`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.cases import CASES, NAMES, write_requests
from tests.clients.clients import PROGRAMS, Outcome, run_client
from tests.clients.table import DOCUMENT, legend
from tests.e2e.conftest import ECHO, ROOT, Stack, serving

pytestmark = pytest.mark.e2e

PATIENT = ROOT / "tests" / "abilities" / "patient"
COMMAND = (sys.executable, str(PROGRAMS / "python" / "client.py"))
SILENCE_S = 2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with serving(tmp_path_factory.mktemp("clients"), ECHO, PATIENT) as running:
        yield running


@pytest.mark.parametrize(
    "client", ["curl", "curl --http2", "curl --http1.0", "urllib", "http.client", "requests", "urllib3"]
)
def test_client_gets_the_right_answers(gateway: Stack, tmp_path: Path, client: str) -> None:
    write_requests(tmp_path)
    # HTTP/1.0 has no body without a length.
    cases = [case for case in NAMES if (client, case) != ("curl --http1.0", "chunked")]

    outcomes = run_client(COMMAND, client, gateway.url, tmp_path, SILENCE_S, cases)

    assert outcomes == [Outcome(case) for case in cases]


def test_a_client_that_fails_is_seen(tmp_path: Path) -> None:
    write_requests(tmp_path)

    (outcome,) = run_client(COMMAND, "urllib", "http://127.0.0.1:1", tmp_path, 0, ["call"])

    assert "refused" in outcome.error


def test_document_explains_each_column() -> None:
    text = DOCUMENT.read_text()

    assert legend() in text
    assert f"| client | {' | '.join(case.name for case in CASES)} |" in text
