"""The shipped dashboards: what dashboard-linter asks for, checked with a real PromQL parser, and no name unknown."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from monitor.exporters.grafana.build import DASHBOARDS, build
from monitor.exporters.grafana.frame import COLOURS
from monitor.exporters.metric_names import EXPORTED

FOLDER = Path(__file__).parent.parent.parent / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
VARIABLES = {
    "$__rate_interval": "5m",
    "$job": "x",
    "$client": "x",
    "$environment": "x",
    "$model": "x",
    "$metric": "x",
}
FOREIGN = {"scrape_samples_post_metric_relabeling", "ALERTS"}
WHOLE_DAEMON = (
    "watchkeeper_(cycle|config|notification|source|store|metric|rule_evaluations|digest|build|http)"
)


def dashboard(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def panels(of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in of["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def walk(node: Any) -> Iterator[Any]:
    """Every node of a parsed query."""
    yield node
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from walk(inner)
    for argument in getattr(node, "args", None) or ():
        yield from walk(argument)


def test_quality_is_that_of_all_rows_and_not_the_best_of_versions() -> None:
    """The series of versions have the same metric and segment: a maximum over them would be of the best one."""
    asked = [
        target["expr"]
        for path in FILES
        for panel in panels(dashboard(path))
        for target in panel.get("targets", ())
        if "performance_value{" in target.get("expr", "") and 'segment="all"' in target["expr"]
    ]
    assert len(asked) >= 4
    assert [one for one in asked if 'version=""' not in one] == []


def selectors(expression: str) -> list[Any]:
    found = [n for n in walk(promql_parser.parse(filled(expression))) if type(n).__name__ == "VectorSelector"]
    return list({id(node): node for node in found}.values())


def expressions() -> list[tuple[str, str, str]]:
    return [
        (path.stem, panel["title"], target["expr"])
        for path in FILES
        for panel in panels(dashboard(path))
        for target in panel["targets"]
    ]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def shown(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dashboard(request.param)


def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert {path.name for path in built} == {path.name for path in FILES}
    for path in built:
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), (
            f"run make dashboards: {path.name} is out of date"
        )


def test_each_file_loads_by_provisioning(shown: dict[str, Any]) -> None:
    assert shown["schemaVersion"] >= 41
    assert shown["uid"].startswith("watchkeeper-")
    assert shown["editable"] is False
    assert "__inputs" not in shown
    assert "watchkeeper" in shown["tags"]


def test_data_sources_are_variables_of_any_name(shown: dict[str, Any]) -> None:
    first = shown["templating"]["list"][0]
    assert (first["name"], first["type"], first["label"]) == ("datasource", "datasource", "Data source")
    for panel in panels(shown):
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    for variable in shown["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["refresh"] == 2
    for annotation in shown["annotations"]["list"]:
        assert annotation["datasource"]["uid"] == "${datasource}"


def test_variables_come_in_one_order(shown: dict[str, Any]) -> None:
    names = [variable["name"] for variable in shown["templating"]["list"]]
    assert names[:5] == ["datasource", "job", "client", "environment", "model"]
    job = shown["templating"]["list"][1]
    assert (job["label"], job["multi"], job["allValue"]) == ("Job", True, ".+")


def test_each_panel_says_what_it_is(shown: dict[str, Any]) -> None:
    for panel in panels(shown):
        assert panel["title"]
        assert len(panel["description"]) > 15, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_panels_have_their_own_numbers_and_fill_their_rows(shown: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in panels(shown)]
    numbers += [panel["id"] for panel in shown["panels"] if panel["type"] == "row"]
    assert len(numbers) == len(set(numbers))
    for panel in panels(shown):
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    lines: dict[int, int] = {}
    for panel in panels(shown):
        lines[panel["gridPos"]["y"]] = lines.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
    assert set(lines.values()) == {24}


@pytest.mark.parametrize(("file", "title", "expression"), expressions())
def test_each_query_is_promql_and_asks_for_known_metrics(file: str, title: str, expression: str) -> None:
    known = set()
    for exported in EXPORTED:
        known.add(exported.name)
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        known |= {exported.name + suffix for suffix in suffixes.get(exported.kind, [])}
    found = selectors(expression)
    assert found
    assert {selector.name for selector in found} <= known | FOREIGN


@pytest.mark.parametrize(("file", "title", "expression"), expressions())
def test_each_query_is_bound_to_the_job(file: str, title: str, expression: str) -> None:
    for selector in selectors(expression):
        matchers = {(matcher.name, str(matcher.op)) for matcher in selector.matchers.matchers}
        assert any(name == "job" and "Re" in op for name, op in matchers), selector


def unrated(node: Any, *, inside: bool = False) -> list[str]:
    """Counters that no rate, irate or increase stands around."""
    name = type(node).__name__
    if name == "VectorSelector":
        is_counter = node.name is not None and node.name.endswith(("_total", "_bucket"))
        return [node.name] if is_counter and not inside else []
    inside = inside or (name == "Call" and node.func.name in ("rate", "irate", "increase"))
    inner = [getattr(node, part, None) for part in ("expr", "lhs", "rhs", "vector_selector")]
    inner += list(getattr(node, "args", None) or ())
    return [found for part in inner if part is not None for found in unrated(part, inside=inside)]


@pytest.mark.parametrize(("file", "title", "expression"), expressions())
def test_counters_are_rated_and_rates_take_grafana_s_interval(file: str, title: str, expression: str) -> None:
    assert unrated(promql_parser.parse(filled(expression))) == []
    for chunk in expression.split("rate(")[1:]:
        assert "[$__rate_interval]" in chunk or "[5m]" in chunk


def test_links_keep_filters_and_time(shown: dict[str, Any]) -> None:
    [link] = shown["links"]
    assert (link["type"], link["asDropdown"], link["includeVars"], link["keepTime"]) == (
        "dashboards",
        True,
        True,
        True,
    )
    assert link["tags"] == ["watchkeeper"]


def test_deploys_and_alerts_are_marked(shown: dict[str, Any]) -> None:
    deploys, releases, alerts = shown["annotations"]["list"]
    assert "watchkeeper_model_deployed_timestamp_seconds" in deploys["expr"]
    assert "watchkeeper_model_release_timestamp_seconds" in releases["expr"]
    assert deploys["useValueForTime"] is True
    assert releases["useValueForTime"] is True
    assert 'alertstate="firing"' in alerts["expr"]


def test_states_are_words_and_signs_besides_colours(shown: dict[str, Any]) -> None:
    for panel in panels(shown):
        if "watchkeeper_model_state" in json.dumps(panel) and panel["type"] in (
            "statetimeline",
            "state-timeline",
        ):
            options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
            assert [options[key]["text"] for key in "0123"] == [
                "✔ ok",
                "? waiting",
                "◆ warning",
                "✖ critical",
            ]
            assert {options[key]["color"] for key in "0123"} == set(COLOURS.values())


def test_each_exported_metric_is_shown_or_there_is_a_reason() -> None:
    used = "\n".join(path.read_text() for path in FILES)
    reasons = {
        "watchkeeper_build": "shown by version on the daemon's own page and in /metrics",
        "watchkeeper_availability_ratio": "a rule watches it; the model's own page has its course by the hour",
        "watchkeeper_sampled_ratio": "only of models with captures of a sample; for queries that scale counts up",
        "watchkeeper_source_rows": "the watermark says the same in time",
        "watchkeeper_digest_last_success_timestamp_seconds": "watched by a rule (digests_overdue)",
        "watchkeeper_exporter_last_success_timestamp_seconds": "only with exporters; a failure raises SetAside",
        "watchkeeper_http_requests": "for rules of the operator's own",
    }
    reasons |= {
        f"watchkeeper_measurement_{part}": "read by the exported rules"
        for part in ("rows", "baseline", "past", "lower_bound", "upper_bound")
    }
    reasons |= {
        f"watchkeeper_cycle_worker_{part}": "only with several workers; one that ends raises SetAside"
        for part in ("up", "streams", "duration_seconds")
    }
    unused = {exported.name for exported in EXPORTED if exported.name not in used}
    assert unused == set(reasons)


def test_four_dashboards_are_shipped() -> None:
    assert [one.uid for one in DASHBOARDS] == [
        "watchkeeper-overview",
        "watchkeeper-model",
        "watchkeeper-client",
        "watchkeeper-fleet",
    ]
