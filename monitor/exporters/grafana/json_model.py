"""Converts dashboards to Grafana's Classic JSON. Variables and annotations are in `monitor.exporters.grafana.frame`."""

import warnings
from typing import Any

from monitor.exporters.grafana import frame
from monitor.exporters.grafana.frame import COLOURS, SOURCE
from monitor.exporters.grafana.panels import Dashboard, Panel, PanelRow, Query
from monitor.exporters.grafana.sdk import (
    PANELS,
    JSONEncoder,
    PromQueryFormat,
    builders,
    common,
    common_builders,
    models,
    prometheus,
)

STATES = {
    "0": ("✔ ok", "ok"),
    "1": ("? waiting", "unknown"),
    "2": ("◆ warning", "warning"),
    "3": ("✖ critical", "critical"),
}
PAGE = "${public_url}/c/${__field.labels.client}/m/${__field.labels.model}?from=${__from}&to=${__to}"
_VALUED = ("stat", "gauge", "bargauge")


def render(dashboard: Dashboard) -> str:
    """A dashboard as JSON text; equal input gives equal bytes."""
    builder = (
        builders.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([frame.TAG])
        .timezone("browser")
        .readonly()
        .refresh("30s")
        .time(dashboard.span, "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(frame.other_dashboards())
        .annotation(frame.deploys())
        .annotation(frame.releases())
        .annotation(frame.alerts())
    )
    for variable in frame.variables(dashboard):
        builder = builder.with_variable(variable)
    _lay_out(builder, dashboard.rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        built = builder.build()
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(built) + "\n"


def _lay_out(builder: Any, rows: tuple[PanelRow, ...]) -> None:
    """Place rows and panels explicitly: the library's layout leaves gaps between panels."""
    number, top = 1, 0
    for row in rows:
        head = builders.Row(row.title).id(number).collapsed(row.closed)
        head = head.grid_pos(models.GridPos(h=1, w=24, x=0, y=top))
        number, top, left, height = number + 1, top + 1, 0, 0
        panels = []
        for panel in row.panels:
            if left + panel.width > 24:
                left, top, height = 0, top + height, 0
            panels.append(
                _panel(panel, number).grid_pos(models.GridPos(h=panel.height, w=panel.width, x=left, y=top))
            )
            number, left, height = number + 1, left + panel.width, max(height, panel.height)
        top += height
        for built in panels if row.closed else ():
            head.with_panel(built)
        builder.with_row(head)
        for built in () if row.closed else panels:
            builder.with_panel(built)


def _panel(panel: Panel, number: int) -> Any:
    builder = (
        PANELS[panel.kind]()
        .id(number)
        .title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .no_value(panel.empty)
        .targets([_target(query, index) for index, query in enumerate(panel.queries)])
    )
    builder = builder.min(panel.least) if panel.least is not None else builder
    builder = builder.max(panel.most) if panel.most is not None else builder
    builder = _coloured(builder, panel)
    if panel.kind in _VALUED:
        builder = builder.reduce_options(
            common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
        )
    finish = {
        "timeseries": _as_curves,
        "table": _as_table,
        "statetimeline": _as_strip,
        "statushistory": _as_strip,
    }
    builder = finish[panel.kind](builder, panel) if panel.kind in finish else builder
    if panel.kind == "stat":
        builder = builder.color_mode(
            common.BigValueColorMode.BACKGROUND if panel.steps or panel.look else "value"
        )
        builder = builder.graph_mode(common.BigValueGraphMode.NONE)
    if panel.kind == "heatmap":
        builder = builder.calculate(False)
    return builder


def _target(query: Query, index: int) -> Any:
    target = (
        prometheus.Dataquery()
        .expr(query.expression)
        .ref_id(chr(ord("A") + index))
        .legend_format(query.legend or "__auto")
    )
    target = target.datasource(SOURCE)
    if query.heatmap:
        target = target.format(PromQueryFormat.HEATMAP)
    if query.table:
        return target.instant().format(PromQueryFormat.TABLE)
    return target.range().exemplar(query.exemplars)


def _coloured(builder: Any, panel: Panel) -> Any:
    if panel.look == "state":
        builder = builder.mappings([_state_words()]).color_scheme(_scheme(models.FieldColorModeId.THRESHOLDS))
        return builder.thresholds(
            _thresholds(((None, "ok"), (1, "unknown"), (2, "warning"), (3, "critical")))
        )
    if panel.look == "yesno":
        words = {"1": ("✔ yes", "ok"), "0": ("✖ no", "critical")}
        builder = builder.mappings([_words(words)]).color_scheme(_scheme(models.FieldColorModeId.THRESHOLDS))
        return builder.thresholds(_thresholds(((None, "critical"), (1, "ok"))))
    if panel.look == "limit_one":
        style = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        return builder.thresholds(_thresholds(((None, "ok"), (1, "critical")))).thresholds_style(style)
    if panel.steps:
        builder = builder.color_scheme(_scheme(models.FieldColorModeId.THRESHOLDS))
        return builder.thresholds(_thresholds(panel.steps))
    return builder.color_scheme(_scheme(models.FieldColorModeId.PALETTE_CLASSIC))


def _as_curves(builder: Any, panel: Panel) -> Any:
    legend = common_builders.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST)
    builder = builder.legend(legend.placement(common.LegendPlacement.BOTTOM).show_legend(True))
    builder = builder.tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    builder = builder.line_width(2).fill_opacity(30 if panel.stacked else 0).span_nulls(False)
    builder = builder.show_points(common.VisibilityMode.AUTO)
    if panel.stacked:
        builder = builder.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if any("{{client}}" in query.legend and "{{model}}" in query.legend for query in panel.queries):
        builder = builder.data_links([_link("Model page", PAGE)])
    for index, query in enumerate(panel.queries):
        dash = {"limit": [10, 6], "baseline": [2, 6], "dashed": [6, 4]}.get(query.style)
        if dash:
            builder = builder.override_by_query(chr(ord("A") + index), _dashed(dash, query.style))
    if any("kind" in query.legend for query in panel.queries):
        builder = builder.override_by_regexp(".*estimated", _dashed([6, 4], "dashed"))
    return builder


def _dashed(dash: list[int], style: str) -> list[models.DynamicConfigValue]:
    values = [models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": dash})]
    if style == "limit":
        values.append(
            models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": COLOURS["critical"]})
        )
    return values


def _as_table(builder: Any, panel: Panel) -> Any:
    if len(panel.queries) > 1:
        builder = builder.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    hidden = {"Time": True, "__name__": True, "job": True, "instance": True}
    options = {"excludeByName": hidden, "indexByName": {}, "renameByName": dict(panel.columns)}
    builder = builder.with_transformation(models.DataTransformerConfig(id_val="organize", options=options))
    if panel.look == "state" and panel.columns:
        # Only the first column of such a table is a state; the others show numbers.
        builder = builder.mappings([])
        words = models.DynamicConfigValue("mappings", [_state_words().to_json()])
        builder = builder.override_by_name(panel.columns[0][1], [words])
    if panel.runbook:
        link = {
            "title": "Runbook",
            "url": "${public_url}/runbooks/${__data.fields.rule}",
            "targetBlank": True,
        }
        builder = builder.override_by_name("rule", [models.DynamicConfigValue("links", [link])])
    return builder


def _as_strip(builder: Any, panel: Panel) -> Any:
    builder = builder.show_value(common.VisibilityMode.NEVER)
    return (
        builder.data_links([_link("Model page", PAGE)])
        if "{{client}}" in panel.queries[0].legend
        else builder
    )


def _link(title: str, url: str) -> Any:
    return builders.DashboardLink(title).url(url).target_blank(True)


def _state_words() -> models.ValueMap:
    return _words(STATES)


def _words(texts: dict[str, tuple[str, str]]) -> models.ValueMap:
    return models.ValueMap(
        {
            value: models.ValueMappingResult(text=text, color=COLOURS[colour], index=index)
            for index, (value, (text, colour)) in enumerate(texts.items())
        }
    )


def _scheme(mode: models.FieldColorModeId) -> Any:
    return builders.FieldColor().mode(mode)


def _thresholds(steps: tuple[tuple[float | None, str], ...]) -> Any:
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=COLOURS[colour]) for value, colour in steps])
    )
