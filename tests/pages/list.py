"""Which pages are written from the code, and by whom."""

from collections.abc import Callable
from functools import partial

from tests import rooms
from tests.chart import readme
from tests.dashboards import grafana
from tests.dashboards.pages import DASHBOARDS
from tests.pages import ability, alerts, commands, errors, http, metrics, sdk, settings

#: Page -> what writes all of it.
PAGES: dict[str, Callable[[], str]] = {
    "deploy/helm/athena/README.md": readme.render,
    "docs/ability.md": ability.render,
    "docs/alerts.md": alerts.render,
    "docs/architecture.md": rooms.page,
    "docs/cli.md": commands.render,
    "docs/errors.md": errors.render,
    "docs/http.md": http.render,
    "docs/metrics.md": metrics.render,
    "docs/sdk.md": sdk.render,
    "docs/settings.md": settings.render,
    **{
        f"monitoring/grafana/dashboards/{page.name}.json": partial(grafana.render, page)
        for page in DASHBOARDS
    },
}
