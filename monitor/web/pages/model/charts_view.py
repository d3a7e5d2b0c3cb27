"""The part of a model's page that shows one time range: four charts, what happened, and one further metric."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from monitor.config.units import format_duration
from monitor.health import targets as agreed_targets
from monitor.records import Alert, Labels, Measurement, State, Stream
from monitor.rules.language.wording import bound
from monitor.store import alerts
from monitor.web.api import time_range
from monitor.web.api.time_range import TimeRange
from monitor.web.pages.charts import marks as version_marks
from monitor.web.pages.charts.series import ENGINEERS_SPANS
from monitor.web.pages.charts.svg import Mark, moment
from monitor.web.pages.model import linked_charts, metric_chart
from monitor.web.pages.model import model_query as query
from monitor.web.pages.model.metric_chart import DrawnChart
from monitor.web.pages.model.model_query import ModelQuery
from monitor.web.services import Services

MOST_MARKS = 30
"""The newest of what happened are marked."""


def charts(
    connection: Connection,
    services: Services,
    stream: Stream,
    shown: TimeRange,
    page: dict[str, Any],
    asked: ModelQuery,
    around: Alert | None,
) -> dict[str, Any]:
    """What the template shows of a range. `page` has the measurements of the newest window and the targets."""
    settings = services.client(stream.client)
    sampler = time_range.sampler(connection, stream, shown, services.base_seconds, linked_charts.POINTS)
    marks = marks_of(connection, stream, sampler.start, sampler.end)
    view = settings.view(stream.model)
    compared = query.comparison(asked, shown)
    read = linked_charts.read(connection, stream, sampler, replace(asked, compare=compared), view.quality)
    quality = linked_charts.quality_metric(agreed_targets.quality_metrics(view), read)
    target = agreed_targets.limits_of(view, (quality,)).get(quality)
    standing = next((one for one in page["standing"] if one.metric == quality), None)
    limits = _limits(around)
    fields, other = _other(
        connection, services, stream, shown, page["measured"], asked, around, marks, limits
    )
    return {
        "panels": linked_charts.panels(
            read, quality, target, standing, settings.zone, marks, limits, settings.sample(stream.model)
        ),
        "other": other,
        "unknown": asked.metric if other is None else "",
        "metrics": sorted({one.metric for one in page["measured"] if not one.labels}),
        "query": fields,
        "shown": shown,
        "around": around,
        "point": format_duration(sampler.step),
        "base": format_duration(sampler.base),
        "is_mean": sampler.step > sampler.base,
        "lines": read.parts,
        "splits": _splits(page["measured"], fields),
        "comparisons": query.COMPARED,
        "compared_with": compared,
        "happened": [(moment(mark.at, settings.zone), mark) for mark in marks],
        **_navigation(fields, shown, settings.zone),
    }


def _navigation(fields: ModelQuery, shown: TimeRange, zone: Any) -> dict[str, Any]:
    """The links and the form that change the time range."""
    spans = [
        (span.label, fields.having(time_range.usual(span.key, shown.end)), span.key)
        for span in ENGINEERS_SPANS
    ]
    moves = (("◀ Earlier", -0.5), ("Later ▶", 0.5))
    zooms = (("Closer", 0.5), ("Wider", 2.0))

    def link(one: Measurement) -> str:
        of = metric_chart.in_address(one.labels)
        return f"{fields.having(shown, metric=one.metric, of=of)}#zoom-head"

    return {
        "from_field": time_range.local(shown.start, zone),
        "to_field": time_range.local(shown.end, zone),
        "zone": zone.key,
        "spans": spans,
        "moves": [(label, fields.having(shown.moved(by))) for label, by in moves]
        + [(label, fields.having(shown.scaled(by))) for label, by in zooms],
        "link": link,
    }


def marks_of(connection: Connection, stream: Stream, start: float, end: float) -> tuple[Mark, ...]:
    """Releases, new versions and alerts that fired in a range, in order of time."""
    fired = [
        Mark(
            one.at,
            f"{one.rule} fired ({one.severity.value})",
            "alert",
            f"/staff/alerts/{quote(one.fingerprint, safe='')}?episode={one.episode}",
        )
        for one in alerts.load_transitions(connection, start, end, client=stream.client)
        if one.to is State.FIRING and one.before is not State.RECOVERING and one.stream == stream
    ]
    versions = [
        one for one in version_marks.of_versions(connection, stream, with_names=True) if start <= one.at < end
    ]
    return tuple(sorted([*fired, *versions], key=lambda one: (one.at, one.text))[-MOST_MARKS:])


def _splits(measured: Sequence[Measurement], fields: ModelQuery) -> dict[str, str]:
    """By what the lines may be split: versions, and each kind of segment."""
    names = {one.label("segment").partition("=")[0] for one in measured if one.label("segment")}
    choices = {"": "nothing", query.VERSION: "version"}
    choices |= {f"{query.SEGMENT}{query.token(name)}": name for name in sorted(names)}
    return (
        choices
        if fields.split in choices
        else choices | {fields.split: fields.split.removeprefix(query.SEGMENT)}
    )


def _limits(around: Alert | None) -> dict[str, tuple[float, str]]:
    """The limit of the alert that the range was chosen around, by its metric."""
    if around is None or around.limit is None or bound(around.limit, around.unit) == "-":
        return {}
    return {around.metric: (around.limit, f"limit of {around.rule}")}


def _other(
    connection: Connection,
    services: Services,
    stream: Stream,
    shown: TimeRange,
    measured: Sequence[Measurement],
    asked: ModelQuery,
    around: Alert | None,
    marks: tuple[Mark, ...],
    limits: Mapping[str, tuple[float, str]],
) -> tuple[ModelQuery, DrawnChart | None]:
    """The chart of the metric that is asked for, or that the alert is about if none of the four charts shows it."""
    metric, limit = asked.metric, None
    labels: Labels | None = None
    for of in (asked.of, "") if metric else ():
        labels = metric_chart.asked_labels(measured, metric, of) if labels is None else labels
    if not metric and around is not None and (around.metric not in linked_charts.SHOWN or around.instance):
        metric, labels = around.metric, around.instance
        labels = labels if any(one.metric == metric and one.labels == labels for one in measured) else None
        limit = limits.get(metric)
    if labels is None:
        return replace(asked, metric="", of=""), None
    zone = services.client(stream.client).zone
    drawn = metric_chart.draw(
        connection, stream, shown, measured, metric, labels, services.base_seconds, zone, marks, limit
    )
    return replace(asked, metric=metric, of=metric_chart.in_address(labels)), drawn
