"""Dashboards as Datadog's JSON (import it in the app, or post it to `/api/v1/dashboard`)."""

from collections.abc import Iterator
from typing import Any

from monitor.exporters.grafana.panels import Dashboard, Panel, PanelRow
from monitor.exporters.vendor_dashboards.query_model import (
    AggregateTerm,
    LabelTest,
    PanelQuery,
    UntranslatableError,
    read,
)

_WIDGETS = {
    "stat": "query_value",
    "gauge": "query_value",
    "table": "query_table",
    "bargauge": "toplist",
}
"""Datadog's widget by kind of panel; all others are time series."""
_SPANS = {"5m": "5m", "1h": "1h", "24h": "1d", "7d": "1w"}
_IDENTITY = ("client", "environment", "model")
_VARIABLES = ("client", "environment", "model")


def dashboard_json(dashboard: Dashboard, left_out: list[str]) -> dict[str, Any]:
    """A dashboard. What cannot be asked of Datadog is added to `left_out`, with the reason."""
    variables = [*_VARIABLES, *(["metric"] if dashboard.with_metric else [])]
    groups = [_group(row, left_out) for row in dashboard.rows]
    return {
        "title": dashboard.title,
        "description": dashboard.description,
        "layout_type": "ordered",
        "template_variables": [
            {"name": name, "prefix": name, "available_values": [], "default": "*"} for name in variables
        ],
        "widgets": [group for group in groups if group["definition"]["widgets"]],
    }


def events_json() -> dict[str, Any]:
    """The events of alerts, releases and rollbacks, which the channel `datadog` sends."""
    query = {"data_source": "event_stream", "query_string": "service:watchkeeper", "event_size": "l"}
    request = {"response_format": "event_list", "columns": [], "query": query}
    widget = {"type": "list_stream", "title": "Events", "requests": [request]}
    return {
        "title": "Watchkeeper / Events",
        "description": "Alerts, releases and rollbacks.",
        "layout_type": "ordered",
        "template_variables": [],
        "widgets": [{"definition": widget}],
    }


def _group(row: PanelRow, left_out: list[str]) -> dict[str, Any]:
    widgets = [widget for panel in row.panels if (widget := _widget(panel, left_out)) is not None]
    definition = {"type": "group", "layout_type": "ordered", "title": row.title, "widgets": widgets}
    return {"definition": definition}


def _widget(panel: Panel, left_out: list[str]) -> dict[str, Any] | None:
    kind = _WIDGETS.get(panel.kind, "timeseries")
    requests: list[dict[str, Any]] = []
    spans: set[str] = set()
    for query in panel.queries:
        try:
            question = read(query.expression)
            requests.append(_request(question, kind, query.legend, len(requests)))
            spans |= {_SPANS[term.window] for term in question.terms if term.function == "increase"}
        except UntranslatableError as error:
            left_out.append(f"{panel.title}: {error}")
    if not requests:
        return None
    if kind in ("query_value", "toplist") and len(requests) > 1:
        requests = requests[:1]
    if kind == "query_table":
        requests = [_joined(requests)]
    definition: dict[str, Any] = {"type": kind, "title": panel.title, "requests": requests}
    if kind == "query_value":
        definition |= {"autoscale": True, "precision": 2}
    if spans:
        definition["time"] = {"live_span": max(spans)}
    return {"definition": definition}


def _joined(requests: list[dict[str, Any]]) -> dict[str, Any]:
    """One request of a table: its columns."""
    return requests[0] | {
        "queries": [query for request in requests for query in request["queries"]],
        "formulas": [formula for request in requests for formula in request["formulas"]],
    }


def _request(question: PanelQuery, kind: str, legend: str, number: int) -> dict[str, Any]:
    names = [f"q{number}{letter}" for letter in "ab"[: len(question.terms)]]
    queries = []
    for name, term in zip(names, question.terms, strict=True):
        query = {"data_source": "metrics", "name": name, "query": _query(term, question.quantile)}
        if kind != "timeseries":
            query["aggregator"] = "sum" if term.function == "increase" else "last"
        queries.append(query)
    formula: dict[str, Any] = {"formula": _formula(question, names)}
    if question.most is not None:
        formula["limit"] = {"count": question.most, "order": "asc" if question.is_lowest else "desc"}
    if legend and "{{" not in legend:
        formula["alias"] = legend
    shape = "timeseries" if kind == "timeseries" else "scalar"
    request = {"response_format": shape, "queries": queries, "formulas": [formula]}
    return request | ({"display_type": "line"} if kind == "timeseries" else {})


def _formula(question: PanelQuery, names: list[str]) -> str:
    first = question.terms[0]
    if first.aggregate == "count":
        return _count(first, names[0])
    if first.above is not None:
        return f"cutoff_min({names[0]}, {first.above})"
    return " / ".join(names)


def _count(term: AggregateTerm, name: str) -> str:
    """How many groups have at least, or exactly, a value. The values that are counted are whole numbers."""
    if term.by:
        raise UntranslatableError("it counts by groups")
    if term.above is None:
        return f"count_not_null({name})"
    below = f" - {term.above - 1}" if term.above > 1 else ""
    least = f"count_nonzero(clamp_min({name}{below}, 0))"
    return f"{least} - count_nonzero(clamp_min({name} - {term.above}, 0))" if term.is_exact else least


def _query(term: AggregateTerm, quantile: float | None) -> str:
    aggregate = f"p{quantile * 100:g}" if quantile is not None else term.aggregate
    by = term.by
    if term.aggregate == "count":
        aggregate, by = "max", _IDENTITY
    grouped = f" by {{{','.join(by)}}}" if by else ""
    ending = {"": "", "rate": ".as_rate()", "increase": ".as_count()"}[term.function]
    return f"{aggregate}:{term.name}{{{' AND '.join(_filters(term)) or '*'}}}{grouped}{ending}"


def _filters(term: AggregateTerm) -> Iterator[str]:
    yield from (f"${name}" for name in term.variables)
    for matcher in term.matchers:
        yield _filter(matcher)


def _filter(matcher: LabelTest) -> str:
    if not matcher.values:
        return f"NOT {matcher.label}:*" if matcher.is_equal else f"{matcher.label}:*"
    if len(matcher.values) > 1:
        return f"{matcher.label} {'IN' if matcher.is_equal else 'NOT IN'} ({','.join(matcher.values)})"
    condition = f"{matcher.label}:{matcher.values[0]}"
    return condition if matcher.is_equal else f"NOT {condition}"
