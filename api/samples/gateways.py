"""How gateways are, and how they have answered, for Prometheus."""

from collections.abc import Iterable, Iterator

from api.samples.jobs import NO_EXAMPLES, Examples, in_seconds
from athena.fleet.gateway_report import GatewayReport
from athena.store.books.counts import Counts
from athena.telemetry.metrics import (
    BUILD_INFO,
    GATEWAY_CONNECTIONS,
    GATEWAY_HELD,
    GATEWAY_HELD_LIMIT,
    GATEWAY_LAG,
    GATEWAY_READY,
    GATEWAY_UP,
    GATEWAY_WAITING,
    HTTP_ANSWER_BYTES,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    PROCESS,
    Histogram,
    Sample,
)


def gateway_samples(gateways: Iterable[tuple[GatewayReport, bool]]) -> Iterator[Sample]:
    """Returns how gateways are; of one that fell silent no more than that."""
    for report, is_alive in gateways:
        labels = (report.address,)
        yield Sample(GATEWAY_UP, labels, int(is_alive))
        if not is_alive:
            continue
        yield Sample(BUILD_INFO, (report.address, report.version), 1)
        yield Sample(GATEWAY_READY, labels, int(report.is_ready))
        yield Sample(GATEWAY_LAG, labels, report.lag_s)
        yield Sample(GATEWAY_WAITING, labels, report.waiting_callers)
        yield Sample(GATEWAY_CONNECTIONS, labels, report.connections)
        yield Sample(GATEWAY_HELD, labels, report.held_bytes)
        yield Sample(GATEWAY_HELD_LIMIT, labels, report.held_limit_bytes)
        for metric in PROCESS:
            if metric.name in report.process:
                yield Sample(metric, labels, report.process[metric.name])


def http_samples(service_id: str, counts: Counts, examples: Examples = NO_EXAMPLES) -> Iterator[Sample]:
    """Returns how requests were answered that were for an ability, or, with "", for none."""
    for (status,), count in counts.of("http").items():
        yield Sample(HTTP_REQUESTS, (service_id, status), count)
    for spread in counts.spread("http").values():
        yield Sample(HTTP_SECONDS, (service_id,), in_seconds(spread, examples.get(("http", ""))))
    for spread in counts.spread("answer_bytes").values():
        yield Sample(HTTP_ANSWER_BYTES, (service_id,), Histogram(spread.buckets, spread.total))
