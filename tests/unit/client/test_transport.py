"""What is said where no gateway answers."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from athena.client import Client, UnreachableError
from tests.ports import free_port


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that speaks plain HTTP."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_tls_to_a_gateway_without_is_told_at_once_with_the_remedy(port: int) -> None:
    with Client(f"https://127.0.0.1:{port}") as client, pytest.raises(UnreachableError) as caught:
        client.abilities()

    assert "write http:// in place of https://" in str(caught.value)
    assert "tries" not in str(caught.value) and not caught.value.retryable


def test_where_nobody_listens_it_is_told_how_another_address_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with Client(url, retries=0) as client, pytest.raises(UnreachableError) as caught:
        client.abilities()

    assert str(caught.value).startswith(f"{url} does not answer: ") and "ATHENA_URL" in str(caught.value)
