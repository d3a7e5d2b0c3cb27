"""Dashboards for Datadog and New Relic: they ask for what the panels ask for, of metrics and labels that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.samples import Metric
from monitor.exporters.vendor_dashboards.query_model import UntranslatableError, read
from monitor.exporters.vendor_dashboards.write import DASHBOARDS, VENDORS, dashboards
from tests.exporters.test_dashboards import filled, walk

LEFT_OUT = {
    "Last complete cycle", "Source lag", "Version, age", "Newest prediction", "Score distribution", "Healthy models",
    "Time within limits, 30 days", "Against last week", "Models by state", "Versions serving", "Series exported",
}  # fmt: skip
"""Panels that a vendor's language cannot ask; a new one needs a form in `meaning.py`, or a line here."""
WIDGETS = {"query_value", "query_table", "toplist", "timeseries", "group", "list_stream"}
DATADOG = re.compile(
    r"(?P<how>max|min|sum|avg|p50|p95|p99):(?P<metric>watchkeeper_[a-z_]+)\{(?P<filter>[^{}]+)\}"
    r"(?: by \{(?P<by>[a-z_,]+)\})?(?P<ending>\.as_rate\(\)|\.as_count\(\))?"
)
CONDITION = re.compile(
    r"\*|\$(?P<variable>[a-z]+)|(?:NOT )?(?P<label>[a-z_]+):(?:[a-z0-9_]+|\*)|(?P<listed>[a-z_]+) IN \([a-z_,]+\)"
)
NRQL = re.compile(
    r"SELECT (?P<selected>.+?) FROM (?P<source>Metric|WatchkeeperEvent|\(SELECT .+ LIMIT MAX\))"
    r"(?: WHERE (?P<where>.+?))?(?: FACET (?P<facet>[a-z_, ]+?))?(?: ORDER BY .+? ASC)?(?: LIMIT (?:\d+|MAX))?"
    r"(?: SINCE \d+ (?:minutes?|hour|day|week|month)s? ago)?(?: LIMIT \d+)?(?: TIMESERIES(?: 1 day)?)?(?: LIMIT MAX)?"
)


def found(node: Any, key: str) -> Iterator[Any]:
    """Every value of a key, at any depth."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from found(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from found(value, key)


def known(name: str) -> Metric:
    """The metric of a name as `/metrics` shows it."""
    metric = BY_NAME.get(name) or BY_NAME[re.sub("_(total|info)$", "", name)]
    suffix = {"counter": "_total", "info": "_info"}.get(metric.kind, "")
    assert name == metric.name + suffix
    return metric


def expressions() -> list[str]:
    return [query.expression for one in DASHBOARDS for panel in one.panels for query in panel.queries]


@pytest.mark.parametrize("expression", expressions())
def test_a_query_is_read_as_its_own_parser_reads_it(expression: str) -> None:
    try:
        question = read(expression)
    except UntranslatableError:
        return
    nodes = list(walk(promql_parser.parse(filled(expression))))
    selectors = [node for node in nodes if type(node).__name__ == "VectorSelector"]
    groups = [node.modifier for node in nodes if type(node).__name__ == "AggregateExpr" and node.modifier]
    names = [re.sub("_bucket$", "", selector.name) for selector in selectors]
    assert [term.name for term in question.terms] == names
    grouped = [tuple(label for label in group.labels if label != "le") for group in groups]
    assert [term.by for term in question.terms if term.by] == [labels for labels in grouped if labels]
    for term, selector in zip(question.terms, selectors, strict=True):
        asked = {*term.variables, *(matcher.label for matcher in term.matchers)}
        assert asked == {matcher.name for matcher in selector.matchers.matchers} - {"job"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_is_left_out_without_a_reason(vendor: str) -> None:
    files, left_out = dashboards(vendor, 12)
    assert set(files) == {"overview", "model", "client", "fleet", "events"}
    assert {line.partition(": ")[0] for line in left_out} - {"Clients by worst state"} == LEFT_OUT
    titles = {title for one in DASHBOARDS for panel in one.panels for title in [panel.title]}
    shown = set(found(files, "title"))
    assert titles - shown == LEFT_OUT
    json.dumps(files, allow_nan=False)


def test_datadog_is_asked_in_its_grammar_for_metrics_and_labels_that_exist() -> None:
    files, _ = dashboards("datadog")
    queries = [query for query in found(files, "query") if isinstance(query, str)]
    assert len(queries) > 40
    for query in queries:
        match = DATADOG.fullmatch(query)
        assert match, query
        metric = known(match["metric"])
        assert set((match["by"] or "").split(",")) - {""} <= set(metric.labels), query
        assert (metric.kind == "histogram") == match["how"].startswith("p"), query
        assert (metric.kind == "counter") == bool(match["ending"]), query
        for condition in match["filter"].split(" AND "):
            part = CONDITION.fullmatch(condition)
            assert part, condition
            label = part["variable"] or part["label"] or part["listed"]
            assert label is None or label in metric.labels, query
    assert set(found(files, "type")) == WIDGETS
    for request in (one for requests in found(files, "requests") for one in requests if "queries" in one):
        names = {query["name"] for query in request["queries"]}
        assert len(names) == len(request["queries"])
        used = {name for one in request["formulas"] for name in re.findall(r"\bq\d[ab]\b", one["formula"])}
        assert used == names


def test_new_relic_is_asked_in_nrql_for_metrics_and_labels_that_exist() -> None:
    files, _ = dashboards("newrelic", 12)
    queries = [
        query for query in found(files, "query") if "WatchkeeperEvent" not in query and "uniques" not in query
    ]
    assert len(queries) > 40
    for query in queries:
        match = NRQL.fullmatch(query)
        assert match, query
        metrics = [known(name) for name in re.findall(r"watchkeeper_[a-z_]+", query)]
        assert metrics, query
        labels = set.intersection(*(set(metric.labels) for metric in metrics))
        facet = {one.strip() for one in (match["facet"] or "").split(",")} - {""}
        assert facet <= labels, query
        variables = set(re.findall(r"\{\{([a-z]+)\}\}", query))
        conditions = set(re.findall(r"([a-z_]+) (?:=|!=|IN|IS)(?: NOT)? ", query)) - {"v"}
        assert variables | conditions <= labels, query
        if any(metric.kind == "histogram" for metric in metrics):
            assert "percentile(" in query
        if "sum(v)" not in query and "sum(" in query:
            assert all(metric.kind == "counter" for metric in metrics), (
                "points of a level must not be added up"
            )
    assert set(found(files, "accountIds").__next__()) == {12}


def test_widgets_of_new_relic_do_not_overlap() -> None:
    files, _ = dashboards("newrelic", 12)
    for one in files.values():
        taken: set[tuple[int, int]] = set()
        for layout in found(one, "layout"):
            columns = range(layout["column"], layout["column"] + layout["width"])
            rows = range(layout["row"], layout["row"] + layout["height"])
            cells = {(column, row) for column in columns for row in rows}
            assert not cells & taken, layout
            assert max(columns) <= 12
            taken |= cells


def test_the_command_writes_them_and_says_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "dashboards", "--for", "newrelic", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "--account" in done.output
    options = ["--for", "newrelic", "--account", "12", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["export", "dashboards", *options])
    assert done.exit_code == 0
    assert json.loads((tmp_path / "model.json").read_text())["name"] == "Watchkeeper / Model"
    assert "left out: Score distribution: it is a heat map" in done.output
