"""The four linked charts of a model over one time range: requests, errors by type, latency and quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
from markupsafe import Markup
from sqlalchemy import Connection

from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.health import targets as agreed_targets
from monitor.health import wording
from monitor.measurement_table import Key
from monitor.records import Labels, Measurement, Stream, Window, labels
from monitor.rules.language.wording import figure as with_unit
from monitor.store import measurements, timeseries
from monitor.store.targets import TargetPeriod
from monitor.store.timeseries import Series
from monitor.visible import counted
from monitor.web.pages.charts import svg
from monitor.web.pages.charts.series import Sampler
from monitor.web.pages.charts.svg import Chart, Curve, Mark
from monitor.web.pages.model.model_query import SEGMENT, SHIFTS, VERSION, ModelQuery, token
from monitor.web.pages.overview.rows import per_time

POINTS = 180
"""The most points of a line: three hours by the minute."""
MOST_CURVES = 4
"""The most types of errors, versions or segments that are drawn."""
LEAST_SHARE = 0.01
"""An engineer sees an error rate that rises from 0.1 % to 0.5 %."""
PERCENTILES = ("latency_p50", "latency_p95", "latency_p99")
_PLAIN = ("volume", "error_rate", *PERCENTILES, *wording.QUALITY, *wording.ESTIMATES.values())
SHOWN = frozenset(_PLAIN)
"""The metrics that the four charts show."""
_COMPARED = {"day": "the day before", "week": "the week before"}


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """A chart with its drawing, its table and, in `facts`, its figures in words."""

    chart: Chart
    svg: Markup
    rows: Sequence[tuple[str, list[str]]]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChartData:
    """What was read for the charts: series of the range by metric and labels, those of the time before, those by
    version or segment, and the measurements of the newest window of the range.
    """

    sampler: Sampler
    series: Mapping[Key, Series]
    before: Mapping[Key, Series]
    parts: Mapping[str, Labels]
    detailed: Mapping[Key, Series]
    newest: Sequence[Measurement]
    query: ModelQuery


def read(
    connection: Connection, stream: Stream, sampler: Sampler, query: ModelQuery, quality: str = ""
) -> ChartData:
    """Read what the four charts show. One pass over the windows of the range, one over those of the time before."""
    wanted = tuple(dict.fromkeys((*_PLAIN, quality) if quality else _PLAIN))
    base, start, end = sampler.base, sampler.start, sampler.end
    series = timeseries.load_part(connection, stream, wanted, base, start, end, detailed=False)
    before: dict[Key, Series] = {}
    shift = SHIFTS.get(query.compare, 0)
    if shift:
        earlier = timeseries.load_part(
            connection, stream, wanted, base, start - shift, end - shift, detailed=False
        )
        before = {key: replace(one, starts=one.starts + shift) for key, one in earlier.items()}
    detailed: dict[Key, Series] = {}
    if query.split:
        detailed = timeseries.load_part(connection, stream, wanted, base, start, end, detailed=True)
    last = max((int(sery.starts[-1]) for sery in series.values() if len(sery)), default=None)
    newest = (
        measurements.of_window(connection, stream, Window(last, last + base), (measurements.HEADLINE,))
        if last is not None
        else []
    )
    return ChartData(sampler, series, before, _parts(detailed, query.split), detailed, newest, query)


def _parts(detailed: Mapping[Key, Series], split: str) -> dict[str, Labels]:
    """The versions or segments with the most predictions, by the name of their line."""
    rows: dict[Labels, float] = {}
    for (metric, of), one in detailed.items():
        if metric == "volume" and len(of) == 1 and _is_part(of[0], split):
            rows[of] = float(np.nansum(one.values))
    most = sorted(rows, key=lambda of: (-rows[of], of))[:MOST_CURVES]
    return {_part_name(of[0], split): of for of in most}


def _is_part(label: tuple[str, str], split: str) -> bool:
    if split == VERSION:
        return label[0] == "version"
    return label[0] == "segment" and token(label[1].partition("=")[0]) == split.removeprefix(SEGMENT)


def _part_name(label: tuple[str, str], split: str) -> str:
    return f"version {label[1]}" if split == VERSION else label[1].partition("=")[2] or "(empty)"


def quality_metric(names: Sequence[str], data: ChartData) -> str:
    """The metric that stands for quality: the first of these that was measured, else the first with a series."""
    measured = {
        metric for (metric, of), one in data.series.items() if not of and np.isfinite(one.values).any()
    }
    known = {metric for metric, of in data.series if not of}
    if len(names) == 1:
        return names[0]
    return next((name for name in names if name in measured), "") or next(
        (name for name in names if name in known), ""
    )


def panels(
    data: ChartData,
    quality: str,
    target: float | None,
    standing: TargetPeriod | None,
    zone: ZoneInfo,
    marks: tuple[Mark, ...],
    limits: Mapping[str, tuple[float, str]],
    sample: str = "",
) -> list[ChartPanel]:
    """The four charts. `quality` is the metric that stands for quality, empty without one; `limits` are levels to draw,
    with their names, by metric. `sample` says of which sample the counts are, empty where all calls are captured.
    """
    requests = f"Requests per second{f' {sample}' if sample else ''}"
    charts = [
        (_chart(data, "rate", requests, "throughput", zone, marks, _rate(data)), ["volume"]),
        (
            _chart(data, "errors", "Errors by type", "error_rate", zone, marks, _errors(data)),
            ["error_rate"],
        ),
        (
            _chart(data, "latency", "Latency percentiles", "latency_p95", zone, marks, _latency(data)),
            list(PERCENTILES),
        ),
    ]
    name = f"Quality: {quality}" if quality else "Quality"
    chart = _chart(
        data, "quality", name, quality or "accuracy", zone, marks, _quality(data, quality), floor=None
    )
    words = "target, at least" if agreed_targets.is_least(quality) else "target, at most"
    charts.append((replace(chart, limit=target, limit_name=words), [quality] if quality else []))
    drawn = []
    for number, (plain, metrics) in enumerate(charts):
        one = plain
        if plain.limit is None and plain.metric in limits:
            level, words = limits[plain.metric]
            one = replace(plain, limit=level, limit_name=words)
        facts = [
            *_facts(data, metrics),
            *(_kept(standing, target, quality) if number == len(charts) - 1 else []),
        ]
        drawn.append(ChartPanel(one, svg.draw(one), one.rows(), tuple(facts)))
    return drawn


def _chart(
    data: ChartData,
    key: str,
    title: str,
    metric: str,
    zone: ZoneInfo,
    marks: tuple[Mark, ...],
    curves: list[Curve],
    floor: float | None = 0.0,
) -> Chart:
    known = [curve for curve in curves if any(value is not None for value in curve.y)]
    values = [value for one in known for value in one.y if value is not None]
    summary = (
        f"{wording.figure(metric, min(values))} to {wording.figure(metric, max(values))} over this period, "
        f"{', '.join(one.name for one in known)}"
        if values
        else "nothing was measured in this time"
    )
    return Chart(
        key,
        title,
        summary,
        metric,
        data.sampler.start,
        data.sampler.end,
        zone,
        tuple(known or curves[-1:]),
        marks=marks,
        floor=floor,
        can_zoom=True,
        least_share=LEAST_SHARE,
    )


def _curve(
    data: ChartData, name: str, series: Series | None, kind: str = "main", *, is_rate: bool = False
) -> Curve:
    if series is None:
        return Curve(name, (), (), kind)
    if is_rate:
        per_second = series.values / max(1, series.seconds)
        series = replace(series, values=per_second, n=np.ones(len(series)))
    steps = data.sampler.steps(series)
    return Curve(name, steps.starts, steps.values, kind)


def _rate(data: ChartData) -> list[Curve]:
    return _with_parts(data, "volume", is_rate=True)


def _errors(data: ChartData) -> list[Curve]:
    if data.query.split:
        return _with_parts(data, "error_rate")
    shares = {
        of[0][1]: float(np.nansum(one.values * one.n))
        for (metric, of), one in data.series.items()
        if metric == "error_rate" and [name for name, _ in of] == ["type"]
    }
    kinds = sorted((kind for kind in shares if shares[kind]), key=lambda kind: (-shares[kind], kind))
    typed = [
        _curve(data, kind, data.series["error_rate", labels(type=kind)], f"other-{index}")
        for index, kind in enumerate(kinds[:MOST_CURVES])
    ]
    return [*_with_parts(data, "error_rate"), *typed]


def _latency(data: ChartData) -> list[Curve]:
    if data.query.split:
        return _with_parts(data, "latency_p95", "p95")
    curves = _with_parts(data, "latency_p95", "p95")
    for metric, kind in (("latency_p50", "second"), ("latency_p99", "other-0")):
        curves.append(_curve(data, metric.removeprefix("latency_"), data.series.get((metric, ())), kind))
    return curves


def _quality(data: ChartData, metric: str) -> list[Curve]:
    if not metric:
        return [Curve("all", (), ())]
    curves = _with_parts(data, metric)
    estimate = wording.ESTIMATES.get(metric)
    if estimate:
        curves.append(_curve(data, "estimated", data.series.get((estimate, ())), "estimated"))
    return curves


def _with_parts(data: ChartData, metric: str, name: str = "all", *, is_rate: bool = False) -> list[Curve]:
    """The line of a metric; below it the faint one of the time before, above it those of versions or segments."""
    key = (metric, ())
    curves = []
    if key in data.before:
        words = _COMPARED[data.query.compare]
        curves.append(_curve(data, words, data.before[key], "before", is_rate=is_rate))
    curves.append(_curve(data, name, data.series.get(key), is_rate=is_rate))
    for index, (part, of) in enumerate(data.parts.items()):
        own = data.detailed.get((metric, of))
        curves.append(_curve(data, part, own, f"other-{index}", is_rate=is_rate))
    return curves


def _facts(data: ChartData, metrics: Sequence[str]) -> list[str]:
    """The newest figures with their units and sample sizes, or why there are none; then what holds for the range."""
    by_name = {one.metric: one for one in data.newest if not one.labels}
    present = [metric for metric in metrics if metric in by_name]
    facts = [_fact(by_name[metric]) for metric in present]
    if not present:
        return ["Not measured: no window of this time has this figure."]
    at = data.newest[0].window
    facts = [f"Newest window ({iso(at.start)}, {format_duration(at.seconds)}): {'; '.join(facts)}."]
    first = present[0]
    whole = data.series.get((first, ()))
    if whole is None:
        return facts
    known = np.isfinite(whole.values)
    if metrics == ["volume"]:
        facts.append(f"Over this period: {counted(float(whole.values[known].sum()), 'prediction')}.")
    elif metrics == ["error_rate"] and whole.n[known].sum() > 0:
        rows = float(whole.n[known].sum())
        failed = float((whole.values * whole.n)[known].sum())
        facts.append(
            f"Over this period: {with_unit(failed / rows, 'share')}, {failed:,.0f} of {counted(rows, 'prediction')}."
        )
    elif known.any() and by_name[first].value is None:
        last = int(np.flatnonzero(known)[-1])
        value = with_unit(float(whole.values[last]), by_name[first].unit)
        facts.append(f"Last measured {iso(float(whole.starts[last]))}: {value}, n = {whole.n[last]:,.0f}.")
    return facts


def _fact(one: Measurement) -> str:
    name = one.metric.removeprefix("latency_")
    if one.value is None:
        return f"{name} not measured: {one.reason or 'no reason is stored'}"
    if one.metric == "volume":
        return f"{per_time(one.value / one.window.seconds)}, {counted(one.value, 'prediction')}"
    interval = (
        f" [{with_unit(one.low, one.unit)}, {with_unit(one.high, one.unit)}]"
        if one.low is not None and one.high is not None
        else ""
    )
    return f"{name} {with_unit(one.value, one.unit)}{interval}, n = {one.n:,.0f}"


def _kept(standing: TargetPeriod | None, target: float | None, metric: str) -> list[str]:
    """Whether the agreed target is met now."""
    if target is None:
        return ["No target is agreed."]
    least = "at least" if agreed_targets.is_least(metric) else "at most"
    agreed = f"Target: {least} {wording.figure(metric, target)}"
    if standing is None or standing.target != target:
        return [f"{agreed}; whether it is met is not known yet."]
    word = agreed_targets.Standing(standing.standing).words
    if standing.value is None:
        return [f"{agreed}; now {word}: {standing.reason or 'no figure yet'}."]
    estimated = ", estimated" if standing.estimated else ""
    return [f"Target now {word}: {agreed_targets.for_engineers(standing)}{estimated}, n = {standing.n:,.0f}."]
