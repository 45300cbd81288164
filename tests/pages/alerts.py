"""docs/alerts.md: every alert, what it means, and what to do."""

from collections.abc import Iterator

from tests.alerts import Alert, alerts
from tests.pages.markdown import note

INTRO = """\
# Alerts

The rules are in `monitoring/prometheus/rules/alerts.yml`; `make observe` runs them beside `athena serve`. A **page** is
for what callers feel now, a **ticket** for what they will feel if nobody looks. The time is how long the condition
holds before the alert fires. Each alert names what it is about by its labels: the ability by `service_id`, the GPU type
by `gpu_type`, the gateway by `gateway`.
"""


def render() -> str:
    """Returns the page."""
    parts = [note("monitoring/prometheus/rules/alerts.yml"), INTRO, *(_section(alert) for alert in alerts())]
    return "\n".join(parts)


def _section(alert: Alert) -> str:
    return f"## {alert.name}\n\n" + "\n".join(_lines(alert)) + "\n"


def _lines(alert: Alert) -> Iterator[str]:
    told = alert.annotations
    section = told["runbook"].removeprefix("docs/")
    title = section.partition("#")[2].replace("-", " ").capitalize()
    yield f"{told['meaning']} ({alert.severity}, after {alert.hold})"
    yield ""
    yield f"- Usual causes: {told['causes']}."
    yield f"- What to do: {told['action']}."
    yield f"- With its commands: [{title}]({section})."
