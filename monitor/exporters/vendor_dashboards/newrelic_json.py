"""Dashboards as New Relic's JSON (Dashboards, Import), with queries in NRQL."""

from collections.abc import Iterator
from typing import Any

from monitor.exporters.grafana.panels import Dashboard, Panel, PanelRow, Query
from monitor.exporters.vendor_dashboards.query_model import (
    AggregateTerm,
    LabelTest,
    PanelQuery,
    UntranslatableError,
    read,
)

_VISUALS = {
    "stat": "viz.billboard",
    "gauge": "viz.billboard",
    "table": "viz.table",
    "bargauge": "viz.bar",
}
"""New Relic's visualization by kind of panel; all others are lines."""
_SINCE = {"5m": "5 minutes", "1h": "1 hour", "24h": "1 day", "7d": "1 week"}
_NOW = "5 minutes"
_IDENTITY = ("client", "environment", "model")
_AGGREGATES = {"max": "max", "min": "min", "avg": "average"}
_COLUMNS = 12
_MOST_LINES = 50


def dashboard_json(dashboard: Dashboard, account: int, left_out: list[str]) -> dict[str, Any]:
    """A dashboard of one page. What cannot be asked in NRQL is added to `left_out`, with the reason."""
    variables = [*_IDENTITY, *(["metric"] if dashboard.with_metric else [])]
    return {
        "name": dashboard.title,
        "description": dashboard.description,
        "permissions": "PUBLIC_READ_WRITE",
        "pages": [
            {
                "name": dashboard.title.rpartition(" / ")[2],
                "description": dashboard.description,
                "widgets": _widgets(dashboard.rows, account, left_out),
            }
        ],
        "variables": [_variable(name, account) for name in variables],
    }


def events_json(account: int) -> dict[str, Any]:
    """The events of alerts, releases and rollbacks, which the channel `newrelic` sends."""
    query = (
        "SELECT timestamp, action, severity, title, current, threshold, page FROM WatchkeeperEvent "
        "SINCE 1 week ago LIMIT 200"
    )
    by_day = "SELECT count(*) FROM WatchkeeperEvent FACET action SINCE 1 month ago TIMESERIES 1 day"
    widgets = [
        _placed("Events", "viz.table", [query], account, (1, 1, _COLUMNS, 6)),
        _placed("Events a day", "viz.bar", [by_day], account, (1, 7, _COLUMNS, 3)),
    ]
    page = {"name": "Events", "description": "Alerts, releases and rollbacks.", "widgets": widgets}
    return {
        "name": "Watchkeeper / Events",
        "description": "Alerts, releases and rollbacks.",
        "permissions": "PUBLIC_READ_WRITE",
        "pages": [page],
        "variables": [],
    }


def _variable(name: str, account: int) -> dict[str, Any]:
    query = f"SELECT uniques({name}) FROM Metric WHERE metricName LIKE 'watchkeeper_%' SINCE 1 day ago"  # noqa: S608
    return {
        "name": name,
        "title": name.capitalize(),
        "type": "NRQL",
        "isMultiSelection": True,
        "replacementStrategy": "STRING",
        "defaultValues": [{"value": {"string": "*"}}],
        "nrqlQuery": {"accountIds": [account], "query": query},
        "items": None,
    }


def _widgets(rows: tuple[PanelRow, ...], account: int, left_out: list[str]) -> list[dict[str, Any]]:
    """The widgets in the order of the panels, in a grid of twelve columns; each row begins on a new line."""
    widgets, top = [], 1
    for row in rows:
        left, height = 1, 0
        for panel in row.panels:
            queries = list(_queries(panel, left_out))
            if not queries:
                continue
            width, tall = max(2, panel.width // 2), max(2, panel.height // 2)
            if left + width - 1 > _COLUMNS:
                left, top, height = 1, top + height, 0
            visual = _VISUALS.get(panel.kind, "viz.line")
            widgets.append(_placed(panel.title, visual, queries, account, (left, top, width, tall)))
            left, height = left + width, max(height, tall)
        top += height
    return widgets


def _placed(
    title: str, visual: str, queries: list[str], account: int, place: tuple[int, int, int, int]
) -> dict[str, Any]:
    column, row, width, height = place
    return {
        "title": title,
        "layout": {"column": column, "row": row, "width": width, "height": height},
        "linkedEntityGuids": None,
        "visualization": {"id": visual},
        "rawConfiguration": {
            "nrqlQueries": [{"accountIds": [account], "query": query} for query in queries],
            "platformOptions": {"ignoreTimeRange": False},
        },
    }


def _queries(panel: Panel, left_out: list[str]) -> Iterator[str]:
    for query in panel.queries:
        try:
            yield nrql(read(query.expression), panel.kind, query)
        except UntranslatableError as error:
            left_out.append(f"{panel.title}: {error}")


def nrql(question: PanelQuery, kind: str, query: Query) -> str:
    """A query in NRQL. Panels without a time axis show the last minutes, or the window of their query."""
    first = question.terms[0]
    alias = f" AS '{query.legend}'" if query.legend and "{{" not in query.legend else ""
    source = "Metric"
    is_sum_of_levels = first.aggregate == "sum" and not first.function and question.quantile is None
    if first.aggregate == "count" or is_sum_of_levels:
        source, selected = _nested(first, kind), "count(*)" if first.aggregate == "count" else "sum(v)"
        conditions = [_counted(first)] if first.above is not None else []
    else:
        selected = _selected(question)
        conditions = [*_conditions(first), *([f"{first.name} >= {first.above}"] if first.above else [])]
    parts = [f"SELECT {selected}{alias} FROM {source}"]  # noqa: S608
    if conditions:
        parts.append(f"WHERE {' AND '.join(conditions)}")
    if first.by:
        parts.append(f"FACET {', '.join(first.by)}")
        if question.is_lowest:
            parts.append(f"ORDER BY {selected} ASC")
        parts.append(f"LIMIT {question.most or _MOST_LINES}")
    return " ".join([*parts, _time(first, kind)])


def _time(term: AggregateTerm, kind: str) -> str:
    if kind not in _VISUALS:
        return "TIMESERIES"
    if term.function == "increase":
        return f"SINCE {_SINCE[term.window]} ago"
    return f"SINCE {_SINCE.get(term.window, _NOW)} ago"


def _selected(question: PanelQuery) -> str:
    first = question.terms[0]
    if question.quantile is not None:
        return f"percentile({first.name}, {question.quantile * 100:g})"
    if len(question.terms) == 2:
        one, other = question.terms
        if _conditions(one) != _conditions(other) or one.by != other.by:
            raise UntranslatableError("the two parts of a ratio have different conditions")
        sums = one.function and other.function
        return " / ".join(f"sum({term.name})" if sums else _value(term) for term in question.terms)
    return _value(first)


def _value(term: AggregateTerm) -> str:
    if term.function:
        total = f"sum({term.name})"
        return f"rate({total}, 1 second)" if term.function == "rate" else total
    return f"{_AGGREGATES[term.aggregate]}({term.name})"


def _nested(term: AggregateTerm, kind: str) -> str:
    """The last value of each series: a sum over all points of a time would count each series many times."""
    labels = term.metric.labels if term.aggregate == "sum" else _IDENTITY
    series = " TIMESERIES" if kind not in _VISUALS else ""
    where = f" WHERE {' AND '.join(_conditions(term))}" if _conditions(term) else ""
    facet = f" FACET {', '.join(labels)}" if labels else ""
    rest = f"FROM Metric{where}{facet}{series} LIMIT MAX"
    return f"(SELECT latest({term.name}) AS v {rest})"


def _counted(term: AggregateTerm) -> str:
    return f"v {'=' if term.is_exact else '>='} {term.above}"


def _conditions(term: AggregateTerm) -> list[str]:
    chosen = [f"{name} IN ({{{{{name}}}}})" for name in term.variables]
    return [*chosen, *map(_condition, term.matchers)]


def _condition(matcher: LabelTest) -> str:
    if not matcher.values:
        return f"{matcher.label} IS {'NULL' if matcher.is_equal else 'NOT NULL'}"
    listed = ", ".join(f"'{value}'" for value in matcher.values)
    if len(matcher.values) == 1:
        return f"{matcher.label} {'=' if matcher.is_equal else '!='} {listed}"
    return f"{matcher.label} {'IN' if matcher.is_equal else 'NOT IN'} ({listed})"
