"""From a dashboard to the JSON that Grafana loads."""

import json

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from tests.dashboards.charts import Chart, Page, Query, Row

#: The data source is chosen at the top: whoever loads a dashboard calls his Prometheus as he likes.
SOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")

#: Grafana's grid is 24 wide; numbers are small.
LINES_SIZE = (8, 8)
NUMBER_SIZE = (4, 4)


def render(page: Page) -> str:
    """Returns the text of a dashboard's file."""
    dashboard = build.Dashboard(page.title).uid(page.uid).description(page.description).tags(["athena"])
    dashboard = dashboard.timezone("browser").refresh("10s").time("now-1h", "now").editable()
    dashboard = dashboard.tooltip(models.DashboardCursorSync.CROSSHAIR)
    dashboard.with_variable(build.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    if page.by_ability:
        dashboard.with_variable(_ability_variable())
    dashboard.annotation(_restarts())
    dashboard.link(_links())
    for row in page.rows:
        _add_row(dashboard, row)
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _ability_variable() -> build.QueryVariable:
    variable = build.QueryVariable("ability").label("Ability").datasource(SOURCE)
    variable = variable.query("label_values(athena_workers_expected, service_id)")
    variable = variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    return variable.sort(models.VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".*")


def _restarts() -> build.AnnotationQuery:
    """Marks where gateways have another version than before."""
    query = "count by (version) (athena_build_info) unless count by (version) (athena_build_info offset 1m)"
    annotation = build.AnnotationQuery().name("Versions").datasource(SOURCE).enable(True)
    return annotation.icon_color("blue").expr(query)


def _links() -> build.DashboardLink:
    link = build.DashboardLink("Athena").type(models.DashboardLinkType.DASHBOARDS).tags(["athena"])
    return link.as_dropdown(True).keep_time(True).include_vars(True)


def _add_row(dashboard: build.Dashboard, row: Row) -> None:
    dashboard.with_row(build.Row(row.title))
    for chart in row.charts:
        dashboard.with_panel(_number(chart) if chart.kind == "number" else _lines(chart))


def _lines(chart: Chart) -> timeseries.Panel:
    width, height = LINES_SIZE
    panel = timeseries.Panel().title(chart.title).datasource(SOURCE).span(width).height(height)
    panel = panel.unit(chart.unit).min(0).fill_opacity(30 if chart.is_stacked else 5)
    panel = panel.show_points(common.VisibilityMode.NEVER).legend(_legend())
    if chart.is_stacked:
        stacking = common_builders.StackingConfig().mode(common.StackingMode.NORMAL)
        panel = panel.stacking(stacking)
    for number, query in enumerate(chart.queries):
        panel = panel.with_target(_target(query, number).range())
    return panel


def _number(chart: Chart) -> stat.Panel:
    width, height = NUMBER_SIZE
    panel = stat.Panel().title(chart.title).datasource(SOURCE).span(width).height(height)
    panel = panel.unit(chart.unit).thresholds(_thresholds(chart))
    panel = panel.graph_mode(common.BigValueGraphMode.AREA)
    for number, query in enumerate(chart.queries):
        panel = panel.with_target(_target(query, number).range())
    return panel


def _target(query: Query, number: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(SOURCE).ref_id(chr(ord("A") + number))
    target = target.expr(query.expression)
    return target.legend_format(query.legend) if query.legend else target


def _legend() -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().show_legend(True)
    return legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _thresholds(chart: Chart) -> build.ThresholdsConfig:
    good, bad = "green", "red"
    steps = [models.Threshold(color=good)]
    if chart.bad_from is not None:
        steps.append(models.Threshold(color=bad, value=chart.bad_from))
    if chart.bad_below is not None:
        steps = [models.Threshold(color=bad), models.Threshold(color=good, value=chart.bad_below)]
    return build.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
