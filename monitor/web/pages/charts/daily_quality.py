"""The quality of a model per day, with its agreed target: the charts of a client's first page."""

from datetime import timedelta

from monitor.health import wording
from monitor.health.daily_summary import bounds
from monitor.health.model_state import Day, ModelHealth
from monitor.health.phrases import PHRASES
from monitor.health.settings import ClientSettings
from monitor.visible import counted
from monitor.web.pages.charts.svg import Chart, Curve


def daily_quality(one: ModelHealth, settings: ClientSettings, key: str) -> Chart | None:
    """The days of a model's quality metric; None without a figure on any day. A day is drawn at its middle."""
    if one.quality is None or not one.days:
        return None
    metric, target = one.quality.metric, one.quality.target
    known = [day for day in one.days if day.metric == metric and day.quality is not None]
    if not known:
        return None
    zone = settings.zone
    middles = [sum(bounds(day.day, zone)) / 2 for day in one.days]
    curves = [
        Curve(name, middles, values, kind)
        for name, kind, values in (
            ("measured", "main", _values(one.days, metric, estimated=False)),
            ("estimated", "estimated", _values(one.days, metric, estimated=True)),
        )
        if any(value is not None for value in values)
    ]
    return Chart(
        key,
        one.title,
        _summary(one, known),
        metric,
        bounds(one.days[0].day, zone)[0],
        bounds(one.days[-1].day + timedelta(days=1), zone)[0],
        zone,
        tuple(curves),
        limit=target,
        floor=None,
        explanation=PHRASES[metric].explains if metric in PHRASES else "",
        is_daily=True,
    )


def _values(days: tuple[Day, ...], metric: str, *, estimated: bool) -> list[float | None]:
    return [day.quality if day.metric == metric and day.estimated == estimated else None for day in days]


def _summary(one: ModelHealth, known: list[Day]) -> str:
    """What the line says, in words: name, lowest, highest and newest day, and what was agreed."""
    assert one.quality is not None
    quality = one.quality
    figures = [day.quality for day in known if day.quality is not None]
    low, high = (wording.figure(quality.metric, value) for value in (min(figures), max(figures)))
    span = f"between {low} and {high}" if low != high else low
    text = f"{wording.name(quality.metric)}, {counted(len(known), 'day')}: {span}"
    return f"{text}; agreed: {quality.agreed}." if quality.agreed else f"{text}."
