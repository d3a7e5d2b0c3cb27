"""Variables, links and annotations of dashboards."""

from typing import Any

from monitor.exporters.grafana.panels import Dashboard
from monitor.exporters.grafana.sdk import builders, common, models

TAG = "watchkeeper"
SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLOURS = {"ok": "#009E73", "unknown": "#7F7F7F", "warning": "#E69F00", "critical": "#C4400A"}
"""Distinguishable with any common colour blindness; a word or symbol always accompanies them."""


def variables(dashboard: Dashboard) -> list[Any]:
    """The variables of a dashboard; each choice is limited by the previous ones."""
    results: list[Any] = [builders.DatasourceVariable("datasource").label("Data source").type("prometheus")]
    filters: list[str] = []
    for name in ("job", "client", "environment", "model"):
        matcher = "{" + ",".join(filters) + "}" if filters else ""
        query = f"label_values(watchkeeper_model_info{matcher}, {name})"
        results.append(_choice(name, query, many=not (name == "model" and dashboard.one_model)))
        filters.append(f'{name}=~"${name}"')
    if dashboard.with_metric:
        matcher = "{" + ",".join(filters) + "}"
        results.append(
            _choice("metric", f"label_values(watchkeeper_performance_value{matcher}, metric)", many=True)
        )
    results.append(
        builders.TextBoxVariable("public_url")
        .label("Watchkeeper address")
        .default_value("http://127.0.0.1:8080")
    )
    return results


def _choice(name: str, query: str, *, many: bool) -> Any:
    variable = (
        builders.QueryVariable(name)
        .label(name.capitalize())
        .query({"query": query, "refId": name})
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if many:
        everything = models.VariableOption(selected=True, text="All", value="$__all")
        variable = variable.multi(True).include_all(True).all_value(".+").current(everything)
    return variable


def other_dashboards() -> Any:
    """The menu with links to the other dashboards, with the same variables and time range."""
    link = builders.DashboardLink("Watchkeeper").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(True).include_vars(True).keep_time(True)


def deploys() -> Any:
    """An annotation for each deployment of the shown models."""
    matcher = '{job=~"$job",client=~"$client",environment=~"$environment",model=~"$model"}'
    return (
        builders.AnnotationQuery()
        .name("Deploys")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(COLOURS["unknown"])
        .expr(f"watchkeeper_model_deployed_timestamp_seconds{matcher} * 1000")
        .use_value_for_time(True)
        .title_format("{{client}} / {{model}}")
        .text_format("version {{version}}")
    )


def releases() -> Any:
    """An annotation for each recorded release of the shown models."""
    matcher = '{job=~"$job",client=~"$client",environment=~"$environment",model=~"$model"}'
    return (
        builders.AnnotationQuery()
        .name("Releases")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(COLOURS["unknown"])
        .expr(f"watchkeeper_model_release_timestamp_seconds{matcher} * 1000")
        .use_value_for_time(True)
        .title_format("{{client}} / {{model}}")
        .text_format("version {{version}} released by {{released_by}}")
    )


def alerts() -> Any:
    """An annotation for each alert of the shown models."""
    return (
        builders.AnnotationQuery()
        .name("Alerts")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(COLOURS["critical"])
        .expr('ALERTS{alertstate="firing",client=~"$client",model=~"$model"}')
        .title_format("{{alertname}}")
        .text_format("{{client}} / {{model}}")
        .tag_keys("severity")
    )
