"""The shapes of the JSON API. Fields are only ever added; times are ISO 8601 in UTC; what is not known is null."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from monitor.clock import iso
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, Day, Incident, ModelHealth, Quality
from monitor.records import Alert, Measurement, Stream, Window
from monitor.store.timeseries import Series


class QualityAnswer(msgspec.Struct, frozen=True):
    """The figure that stands for quality: of the newest day that has one, and of the same day a week before."""

    metric: str
    value: float | None
    agreed: float | None
    last_week: float | None
    estimated: bool
    n: float


class ModelAnswer(msgspec.Struct, frozen=True):
    """One model as its client reads of it. `state` is working, waiting, watch or attention."""

    client: str
    model: str
    environment: str
    title: str
    state: str
    sentence: str
    since: str | None
    last_received: str | None
    decisions_today: float | None
    errors_today: float | None
    quality: QualityAnswer | None


class ClientAnswer(msgspec.Struct, frozen=True):
    """One client: the verdict in one sentence, and its models, the worst first. `within_limits` is of 30 days."""

    client: str
    name: str
    timezone: str
    now: str
    state: str
    headline: str
    within_limits: float | None
    models: list[ModelAnswer]


class DayAnswer(msgspec.Struct, frozen=True):
    """One local day of a model."""

    day: str
    state: str
    decisions: float
    errors: float
    quality: float | None
    estimated: bool


class IncidentAnswer(msgspec.Struct, frozen=True):
    """One time that something was outside what was agreed, in the client's words."""

    model: str
    state: str
    sentence: str
    started: str
    ended: str | None
    taken_up: str | None


class MeasurementAnswer(msgspec.Struct, frozen=True):
    """One number with its meaning. `value` is null where it was not measured, and `reason` says why."""

    metric: str
    labels: dict[str, str]
    value: float | None
    unit: str
    better: str
    n: float
    low: float | None
    high: float | None
    p_value: float | None
    baseline: float | None
    reason: str


class WindowAnswer(msgspec.Struct, frozen=True):
    """Every measurement of one window."""

    client: str
    model: str
    environment: str
    start: str
    end: str
    measurements: list[MeasurementAnswer]


class PointAnswer(msgspec.Struct, frozen=True):
    """One window of a series: its start, its value, what it was taken of, its 95 % interval."""

    start: str
    value: float | None
    n: float
    low: float | None
    high: float | None


class SeriesAnswer(msgspec.Struct, frozen=True):
    """One metric over time, by windows of `window_seconds`."""

    client: str
    model: str
    environment: str
    metric: str
    labels: dict[str, str]
    window_seconds: int
    points: list[PointAnswer]


class AlertAnswer(msgspec.Struct, frozen=True):
    """One alert as engineers read it."""

    id: str
    alert: str
    severity: str
    state: str
    client: str
    model: str
    environment: str
    labels: dict[str, str]
    since: str | None
    value: float | None
    limit: float | None
    baseline: float | None
    n: float
    unit: str
    reason: str
    episode: int


def client(health: ClientHealth, settings: ClientSettings) -> ClientAnswer:
    """A client with its models."""
    return ClientAnswer(
        health.client,
        health.name,
        settings.timezone,
        iso(health.now),
        health.health.value,
        health.headline,
        health.within_limits,
        [model(one) for one in health.models],
    )


def model(one: ModelHealth) -> ModelAnswer:
    """A model."""
    return ModelAnswer(
        one.stream.client,
        one.stream.model,
        one.stream.environment,
        one.title,
        one.health.value,
        one.sentence,
        _time(one.since),
        _time(one.last_received),
        one.decisions if one.is_counted else None,
        one.errors if one.is_counted else None,
        _quality(one.quality),
    )


def _quality(one: Quality | None) -> QualityAnswer | None:
    if one is None:
        return None
    return QualityAnswer(one.metric, one.value, one.target, one.before, one.estimated, one.n)


def day(one: Day) -> DayAnswer:
    """A day of a model."""
    return DayAnswer(
        one.day.isoformat(), one.health.value, one.decisions, one.errors, one.quality, one.estimated
    )


def incident(one: Incident) -> IncidentAnswer:
    """Something that happened."""
    return IncidentAnswer(
        one.stream.model,
        one.health.value,
        one.sentence,
        iso(one.started),
        _time(one.ended),
        _time(one.acknowledged),
    )


def window(stream: Stream, at: Window, found: Iterable[Measurement]) -> WindowAnswer:
    """The measurements of a window."""
    listed = [
        MeasurementAnswer(
            one.metric,
            dict(one.labels),
            one.value,
            one.unit,
            one.better.value,
            one.n,
            one.low,
            one.high,
            one.p_value,
            one.baseline,
            one.reason,
        )
        for one in found
    ]
    return WindowAnswer(stream.client, stream.model, stream.environment, iso(at.start), iso(at.end), listed)


def series(stream: Stream, metric: str, labels: dict[str, str], found: Series) -> SeriesAnswer:
    """A series."""
    columns: Sequence[list[float | None]] = [
        [None if value != value else value for value in np.asarray(column).tolist()]
        for column in (found.values, found.low, found.high)
    ]
    points = [
        PointAnswer(iso(start), value, n, low, high)
        for start, n, value, low, high in zip(found.starts.tolist(), found.n.tolist(), *columns, strict=True)
    ]
    return SeriesAnswer(
        stream.client, stream.model, stream.environment, metric, labels, found.seconds, points
    )


def alert(one: Alert) -> AlertAnswer:
    """An alert."""
    return AlertAnswer(
        one.fingerprint,
        one.rule,
        one.severity.value,
        one.state.value,
        one.stream.client,
        one.stream.model,
        one.stream.environment,
        dict(one.instance),
        _time(one.fired_at),
        one.value,
        one.limit,
        one.baseline,
        one.n,
        one.unit,
        one.reason,
        one.episode,
    )


def _time(at: float | None) -> str | None:
    return None if at is None else iso(at)
