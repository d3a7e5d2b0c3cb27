"""A service report: agreed targets, incidents and the trend of a period, from the same figures as the pages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from sqlalchemy import Connection

from monitor.config.units import HOUR
from monitor.digest.section import quality_over
from monitor.digest.service.periods import Period
from monitor.health import client_state, targets, version_events, wording
from monitor.health.attainment import Attainment, attained, within_limits
from monitor.health.client_state import ClientHistory
from monitor.health.model_state import ClientIncident
from monitor.health.settings import ClientSettings
from monitor.health.targets import Standing
from monitor.health.version_events import VersionEvent
from monitor.metrics.intervals import Z, wilson
from monitor.records import Stream
from monitor.rules.engine.threshold import PROPORTIONS
from monitor.store import timeseries
from monitor.store.daily_summaries import DayFigures
from monitor.store.timeseries import Series
from monitor.visible import counted

MOST_INCIDENTS = 100
MEANS = frozenset(("mae", "satisfaction", "cost_per_prediction", "latency_mean", "confidence_mean"))
"""Metrics whose value over a period is the mean of its hours, weighted by their rows."""
_ENOUGH = 30


@dataclass(frozen=True, slots=True)
class Agreed:
    """One agreed target in the period: its value with interval, and in which share of the time it was met.

    `standing` is that of the value over the whole period; `note` says what the value is if it is not such a value.
    """

    model: str
    name: str
    bound: str
    value: str
    interval: str
    standing: Standing
    met: str
    note: str = ""
    was_missed: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of all models in one period; None where there is no data. `incidents` are those that began in it."""

    period: Period
    decisions: float | None
    answered: float | None
    within: float | None
    incidents: int | None


@dataclass(frozen=True, slots=True)
class QualityTrend:
    """The quality of one model in the periods of the trend, as texts."""

    model: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """The content of a service report; `until` is before the end of the period while it goes on."""

    client: str
    name: str
    period: Period
    settings: ClientSettings
    made_at: float
    until: float
    agreed: tuple[Agreed, ...]
    incidents: tuple[ClientIncident, ...]
    versions: tuple[VersionEvent, ...]
    trend: tuple[Totals, ...]
    quality: tuple[QualityTrend, ...]

    @property
    def totals(self) -> Totals:
        """The figures of the period."""
        return self.trend[-1]

    @property
    def is_complete(self) -> bool:
        """Whether the period is over."""
        return self.until >= self.period.span(self.settings)[1]

    @property
    def verdict(self) -> str:
        """The report in one sentence."""
        missed = sum(one.was_missed or one.standing is Standing.MISSED for one in self.agreed)
        unknown = sum(one.met == "not measured" and one.standing is Standing.UNKNOWN for one in self.agreed)
        total = len(self.agreed)
        if not total:
            return f"{counted(len(self.incidents), 'incident')}; no target is agreed."
        if missed:
            was = "was" if missed == 1 else "were"
            sentence = f"{missed} of {counted(total, 'agreed target')} {was} missed for some of the time"
        elif unknown:
            sentence = (
                f"{unknown} of {counted(total, 'agreed target')} could not be measured, none was missed"
            )
        else:
            sentence = "All agreed targets were met" if total > 1 else "The agreed target was met"
        return f"{sentence}; {counted(len(self.incidents), 'incident')}."


def read(
    connection: Connection, client: str, settings: ClientSettings, period: Period, now: float
) -> ServiceReport | None:
    """The report of a client on a period; None for a client without models, or a period that has not begun."""
    start, end = period.span(settings)
    if now <= start:
        return None
    oldest, today = period.trend()[0].first, client_state.local_date(now, settings)
    streams, silent = client_state.streams_of(connection, client, settings)
    if not streams and not silent:
        return None
    history = client_state.history(connection, client, settings, now, (today - oldest).days + 1)
    until = min(end, now)
    trend = tuple(_totals(history, len(streams), one) for one in period.trend())
    hours = {
        stream: timeseries.load_plain(connection, stream, names, HOUR, start, until)
        for stream in streams
        if (names := _metrics(history, stream, start, until))
    }
    agreed = [
        row
        for stream in (*streams, *silent)
        for row in _agreed(history, stream, period, until, hours.get(stream, {}))
    ]
    return ServiceReport(
        client,
        settings.name or client,
        period,
        settings,
        now,
        until,
        (*agreed, *_within(trend[-1].within, settings.availability_target)),
        (happened := tuple(incident for incident in history.incidents if _overlaps(incident, start, until))),
        tuple(
            one
            for one in version_events.read(connection, client, streams, start, until)
            if not any(one.is_covered_by(other) for other in happened)
        ),
        trend,
        tuple(_quality(history, stream, period.trend()) for stream in streams if history.days.get(stream)),
    )


def _overlaps(one: ClientIncident, start: float, end: float) -> bool:
    return one.started < end and (one.ended is None or one.ended > start)


def _metrics(history: ClientHistory, stream: Stream, start: float, end: float) -> list[str]:
    return [one.metric for one in attained(history.periods.get(stream, ()), start, end)]


def _agreed(
    history: ClientHistory, stream: Stream, period: Period, until: float, hours: Mapping[str, Series]
) -> list[Agreed]:
    """A row for each target that was agreed at some time of the period, and for each that was never judged in it."""
    settings, days = history.settings, history.days.get(stream, ())
    judged = attained(history.periods.get(stream, ()), period.span(settings)[0], until)
    known = {one.metric for one in judged}
    measured = [day.metric for day in days if day.quality is not None][-1:]
    configured = targets.limits_of(settings.view(stream.model), measured)
    judged += [
        Attainment(metric, limit, targets.is_least(metric))
        for metric, limit in sorted(configured.items())
        if metric not in known
    ]
    title = settings.title(stream.model)
    length = until - period.span(settings)[0]
    return [_row(title, one, _value(one.metric, days, period, hours), length) for one in judged]


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of a metric over a period with its 95 % interval, or what is known instead."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    estimated: bool = False
    note: str = ""


def _row(title: str, one: Attainment, measured: _Value, length: float) -> Agreed:
    standing = targets.standing(measured.value, measured.low, measured.high, one.target, least=one.is_least)
    if measured.estimated and standing is Standing.MISSED:
        standing = Standing.AT_RISK
    shown = (
        "not measured" if measured.value is None else wording.beside(one.metric, measured.value, one.target)
    )
    interval = ""
    if measured.low is not None and measured.high is not None:
        low, high = (
            wording.beside(one.metric, end, measured.value or 0.0) for end in (measured.low, measured.high)
        )
        interval = f"{low} to {high}" if low != high else ""
    notes = ", ".join(filter(None, ("estimated" if measured.estimated else "", measured.note)))
    bound = targets.agreed(one.metric, one.target, least=one.is_least)
    name, met = wording.name(one.metric), one.words
    if one.judged and one.judged < 0.99 * length:
        met += f"; measured for {wording.span(one.judged)} of {wording.span(length)}"
    return Agreed(title, name, bound, shown, interval, standing, met, notes, one.missed > 0)


def _within(share: float | None, target: float | None) -> Sequence[Agreed]:
    """The time within limits, which was counted exactly, if a share of it is agreed."""
    if target is None:
        return ()
    standing = targets.standing(share, share, share, target, least=True)
    shown = wording.NOTHING if share is None else wording.share(share)
    met = "" if share is not None else "not measured"
    bound = f"at least {wording.share(target)}"
    return (Agreed("All models", "Time within limits", bound, shown, "", standing, met),)


def _value(metric: str, days: Sequence[DayFigures], period: Period, hours: Mapping[str, Series]) -> _Value:
    """Counted shares and means add up over the hours; percentiles and scores do not."""
    value, n, estimated = quality_over(days, (period.first, period.last), metric)
    if value is not None and n >= _ENOUGH and (metric in PROPORTIONS or metric in MEANS):
        low, high = wilson(value * n, n) if metric in PROPORTIONS else _interval(hours.get(metric))
        return _Value(value, low, high, estimated)
    series = hours.get(metric)
    if series is None or not np.isfinite(series.values).any():
        return _Value(note="no hour was measured")
    known = np.isfinite(series.values) & (series.n > 0)
    if metric in PROPORTIONS or metric in MEANS:
        rows = float(series.n[known].sum())
        if rows < _ENOUGH:
            return _Value(note=f"{rows:.0f} of {_ENOUGH} rows needed")
        mean = float((series.values[known] * series.n[known]).sum() / rows)
        return _Value(mean, *(wilson(mean * rows, rows) if metric in PROPORTIONS else _interval(series)))
    values = series.values[np.isfinite(series.values)]
    worst = values.min() if targets.is_least(metric) else values.max()
    middle = wording.figure(metric, float(np.median(values)))
    return _Value(note=f"by the hour: {middle} usually, {wording.figure(metric, float(worst))} at worst")


def _interval(series: Series | None) -> tuple[float | None, float | None]:
    """The interval of a mean over hours, from those of the hours; none where an hour has none."""
    if series is None:
        return None, None
    known = np.isfinite(series.values) & (series.n > 0)
    values, n = series.values[known], series.n[known]
    half = (series.high[known] - series.low[known]) / 2
    if not n.size or not np.isfinite(half).all():
        return None, None
    mean, error = (
        float((values * n).sum() / n.sum()),
        math.sqrt(float(((half / Z * n) ** 2).sum())) / float(n.sum()),
    )
    return mean - Z * error, mean + Z * error


def _totals(
    history: ClientHistory,
    models: int,
    period: Period,
) -> Totals:
    """The figures of one period; the time within limits counts from the first data on, as on the page."""
    start, end = period.span(history.settings)
    first, until = history.first_data(default=end), min(end, history.now)
    inside = [one for own in history.days.values() for one in own if period.first <= one.day <= period.last]
    decisions = sum(one.decisions for one in inside) if inside else None
    errors = sum(one.errors for one in inside)
    begun = sum(start <= incident.started < end for incident in history.incidents)
    is_known = bool(begun) or first < end
    return Totals(
        period,
        decisions,
        1 - errors / decisions if decisions else None,
        within_limits(history.incidents, models, max(start, first), until),
        begun if is_known else None,
    )


def _quality(history: ClientHistory, stream: Stream, periods: Sequence[Period]) -> QualityTrend:
    days = history.days[stream]
    metric = next((day.metric for day in reversed(days) if day.quality is not None), "")
    values = [quality_over(days, (period.first, period.last), metric)[0] for period in periods]
    name = wording.name(metric) if metric else wording.NOTHING
    title = history.settings.title(stream.model)
    return QualityTrend(title, name, tuple(wording.figure(metric, value) for value in values))


def with_data(connection: Connection, client: str, settings: ClientSettings, now: float) -> list[Period]:
    """The months, then the weeks, of which there is data, each newest first and at most `TREND`."""
    from_day = _first_day(connection, client, settings, now)
    periods: list[Period] = []
    for kind in ("monthly", "weekly"):
        today = client_state.local_date(now, settings)
        newest = Period(kind, today - timedelta(days=today.weekday() if kind == "weekly" else today.day - 1))
        periods += [one for one in reversed(newest.trend()) if from_day is not None and one.last >= from_day]
    return periods


def _first_day(connection: Connection, client: str, settings: ClientSettings, now: float) -> date | None:
    history = client_state.history(connection, client, settings, now, 400)
    first = history.first_data(default=now)
    return client_state.local_date(first, settings) if history.days else None
