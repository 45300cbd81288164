"""Whatever requests come over a connection, and however they are cut: answers come in their order."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.callers import REQUEST, Knowing, get, post
from tests.listener import Listener, exchange, listening

BODY = json.dumps(REQUEST).encode()
CHUNKED = post(b"", content_length="", transfer_encoding="chunked")
OFFER = {"upgrade": "h2c", "http2_settings": "AAEAAEAA", "connection": "Upgrade, HTTP2-Settings"}
CHUNKS = b"%x\r\n%s\r\n%x;a=b\r\n%s\r\n0\r\n" % (40, BODY[:40], len(BODY) - 40, BODY[40:])

#: What may be sent, and the status of its answer.
REQUESTS = [
    (post(), 200),
    (post(**OFFER), 200),
    (post(content_type="application/json; charset=utf-8"), 200),
    (post(expect="100-continue"), 200),
    (CHUNKED + CHUNKS + b"\r\n", 200),
    (CHUNKED + CHUNKS + b"Prefer: respond-async\r\nHost: y\r\n\r\n", 200),
    (post(b"", content_length="", transfer_encoding="chunked", **OFFER) + CHUNKS + b"\r\n", 200),
    (post(b"{"), 400),
    (post(b"x" * 30_000), 413),
    (post(path="/nothing"), 404),
    (post(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n", path="/nothing", content_type="text/plain"), 404),
    (get(), 200),
    (get(x="y" * 20_000), 200),
    (get("/echo", **OFFER), 405),
    (get().replace(b"GET", b"OPTIONS"), 204),
    (b"\r\n" + get(), 200),
]

#: What ends a connection, and the status of its answer.
LAST = [
    (get(connection="close"), 200),
    (post(connection="close"), 200),
    (get().replace(b"1.1", b"1.0"), 200),
    (b"rubbish\r\n\r\n", 400),
    (get(x="y" * 40_000), 431),
    (CHUNKED + b"zz\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
]


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    gateway = Knowing()
    gateway.ends_at_once = True
    with listening(gateway) as running:
        yield running


def test_answers_come_in_the_order_of_the_requests(listener: Listener) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.sampled_from(REQUESTS), max_size=6), st.sampled_from(LAST), st.data())
    def check(sent: list[tuple[bytes, int]], last: tuple[bytes, int], data: st.DataObject) -> None:
        stream = b"".join(request for request, _ in (*sent, last))
        cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=5)))
        pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        # A refusal of a large body that has not come yet ends the connection.
        expected = [status for _, status in (*sent, last)]

        answers = [answer for answer in exchange(listener, *pieces) if answer.status != 100]

        statuses = [answer.status for answer in answers]
        until = expected.index(413) + 1 if 413 in expected else len(expected)
        assert statuses == expected or statuses == expected[:until], (expected, statuses)
        assert answers[-1].closes
        # Nothing of a connection that has ended is counted.
        assert listener.budget.held_bytes == 0

    check()
