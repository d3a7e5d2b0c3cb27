"""The chart of any measurement of a model, by version, beside its baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.records import Labels, Measurement, Stream
from monitor.web.api import time_range
from monitor.web.api.time_range import TimeRange
from monitor.web.pages.charts import svg
from monitor.web.pages.charts.svg import Chart, Curve, Mark
from monitor.web.pages.model.linked_charts import LEAST_SHARE, POINTS
from monitor.web.pages.model.model_query import token

MOST_CURVES = 4


@dataclass(frozen=True, slots=True)
class DrawnChart:
    """A chart with its drawing and its table."""

    chart: Chart
    svg: Markup
    rows: Sequence[tuple[str, list[str]]]


def draw(
    connection: Connection,
    stream: Stream,
    shown: TimeRange,
    measured: Sequence[Measurement],
    metric: str,
    labels: Labels,
    base: int,
    zone: Any,
    marks: tuple[Mark, ...],
    limit: tuple[float, str] | None = None,
) -> DrawnChart:
    """One measurement over a range. `measured` are the newest ones, for its unit and its versions; `limit` is a level
    and its name, drawn in place of the baseline.
    """
    sampler = time_range.sampler(connection, stream, shown, base, POINTS)
    added = metric == "volume"
    steps = sampler.read(metric, of=labels, add=added)
    if not any(value is not None for value in steps.values) and sampler.base < HOUR:
        # Drift and other slow figures are measured by the hour only.
        hours = TimeRange(shown.start, shown.end, HOUR, shown.key)
        sampler = time_range.sampler(connection, stream, hours, base, POINTS)
        steps = sampler.read(metric, of=labels, add=added)
    of_metric = [one for one in measured if one.metric == metric]
    curves = [Curve(written(labels) or "all", steps.starts, steps.values)]
    for index, version in enumerate(_versions(of_metric, labels)[:MOST_CURVES]):
        own = sampler.read(metric, of=_with(labels, version), add=added)
        curves.append(Curve(f"version {version}", own.starts, own.values, f"other-{index}"))
    unit = next((one.unit for one in of_metric), "")
    baseline = next((one.baseline for one in of_metric if one.labels == labels), None)
    level, name = limit or (None if added else baseline, "baseline")
    chart = Chart(
        "zoom",
        f"{metric} {written(labels)}".strip(),
        f"in {unit}" if unit not in ("", "share") else "",
        metric,
        sampler.start,
        sampler.end,
        zone,
        tuple(curves),
        limit=level,
        limit_name=name,
        marks=marks,
        floor=None,
        width=560,
        height=230,
        can_zoom=True,
        least_share=LEAST_SHARE,
    )
    return DrawnChart(chart, svg.draw(chart), chart.rows())


def _versions(of_metric: Sequence[Measurement], labels: Labels) -> list[str]:
    """The versions for which this metric is measured separately."""
    versions = {
        one.label("version") for one in of_metric if one.labels == _with(labels, one.label("version"))
    }
    return sorted(versions - {""})


def _with(labels: Labels, version: str) -> Labels:
    return tuple(sorted({**dict(labels), "version": version}.items()))


def written(labels: Labels) -> str:
    """Labels as people read them: `feature=amount,version=7`."""
    return ",".join(f"{name}={value}" for name, value in labels)


def in_address(labels: Labels) -> str:
    """Labels in an address."""
    return token(written(labels))


def asked_labels(measured: Sequence[Measurement], metric: str, of: str) -> Labels | None:
    """The labels that an address names, of a measurement of this metric; None if there is none."""
    return next(
        (one.labels for one in measured if one.metric == metric and in_address(one.labels) == of), None
    )
