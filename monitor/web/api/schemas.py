"""The schemas of the JSON API. Fields may be added, never removed; times are ISO 8601 in UTC; unknown values
are null.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from monitor.clock import iso
from monitor.health.model_state import ClientHealth, ClientIncident, Day, ModelHealth, Quality
from monitor.health.settings import ClientSettings
from monitor.records import Alert, Measurement, Stream, Window
from monitor.store.targets import TargetPeriod
from monitor.store.timeseries import Series


class QualityAnswer(msgspec.Struct, frozen=True):
    """The quality metric: of the newest day that has one, and of the same day a week before."""

    metric: str
    value: float | None
    agreed: float | None
    last_week: float | None
    estimated: bool
    n: float


class TargetAnswer(msgspec.Struct, frozen=True):
    """An agreed target. `standing` is kept, at_risk, missed or unknown; `low` to `high` is the 95 % interval."""

    metric: str
    agreed: float
    bound: str
    standing: str
    since: str
    value: float | None
    low: float | None
    high: float | None
    n: float
    window_seconds: int
    estimated: bool
    reason: str


class ModelAnswer(msgspec.Struct, frozen=True):
    """One model in the client's terms. `state` is working, waiting, watch or attention. `sampled` is the share of the
    calls that is captured, if that is not all: the counts are those of the sample.
    """

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
    targets: list[TargetAnswer]
    sampled: float | None = None


class ClientAnswer(msgspec.Struct, frozen=True):
    """One client: its state in one sentence, and its models, worst first. `within_limits` covers 30 days."""

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


class NoteAnswer(msgspec.Struct, frozen=True):
    """An update on an incident that the delivery lead has written."""

    at: str
    text: str


class IncidentAnswer(msgspec.Struct, frozen=True):
    """One incident, in the client's words. `about` names the input, answer or segment; `cause` is what was found out by
    itself. Both may be empty.
    """

    model: str
    state: str
    sentence: str
    started: str
    ended: str | None
    taken_up: str | None
    id: str = ""
    about: str = ""
    cause: str = ""
    notes: list[NoteAnswer] = []


class MeasurementAnswer(msgspec.Struct, frozen=True):
    """One measurement. `value` is null if it was not measured; `reason` explains why."""

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
    """All measurements of one window."""

    client: str
    model: str
    environment: str
    start: str
    end: str
    measurements: list[MeasurementAnswer]


class PointAnswer(msgspec.Struct, frozen=True):
    """One window of a series: its start, value, sample size, and 95 % interval."""

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
    """One alert in engineers' terms. `suppressed` is what keeps it from being sent, or empty."""

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
    suppressed: str = ""


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
        [model(one, settings.sampled.get(one.stream.model)) for one in health.models],
    )


def model(one: ModelHealth, sampled: float | None = None) -> ModelAnswer:
    """A model. `sampled` is the share of its calls that is captured; None: all."""
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
        [target(period) for period in one.targets],
        sampled,
    )


def target(one: TargetPeriod) -> TargetAnswer:
    """An agreed target as it stands."""
    return TargetAnswer(
        one.metric,
        one.target,
        "at least" if one.is_least else "at most",
        one.standing,
        iso(one.since),
        one.value,
        one.low,
        one.high,
        one.n,
        one.seconds,
        one.estimated,
        one.reason,
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


def incident(one: ClientIncident) -> IncidentAnswer:
    """An incident."""
    return IncidentAnswer(
        one.stream.model,
        one.health.value,
        one.sentence,
        iso(one.started),
        _time(one.ended),
        _time(one.acknowledged),
        one.id,
        one.about,
        one.cause,
        [NoteAnswer(iso(note.at), note.text) for note in one.notes],
    )


def window(stream: Stream, at: Window, measurements: Iterable[Measurement]) -> WindowAnswer:
    """The measurements of a window."""
    listed = [
        MeasurementAnswer(
            measurement.metric,
            dict(measurement.labels),
            measurement.value,
            measurement.unit,
            measurement.better.value,
            measurement.n,
            measurement.low,
            measurement.high,
            measurement.p_value,
            measurement.baseline,
            measurement.reason,
        )
        for measurement in measurements
    ]
    return WindowAnswer(stream.client, stream.model, stream.environment, iso(at.start), iso(at.end), listed)


def series(stream: Stream, metric: str, labels: dict[str, str], values_by_time: Series) -> SeriesAnswer:
    """A series."""
    columns: Sequence[list[float | None]] = [
        [None if value != value else value for value in np.asarray(column).tolist()]
        for column in (values_by_time.values, values_by_time.low, values_by_time.high)
    ]
    points = [
        PointAnswer(iso(start), value, n, low, high)
        for start, n, value, low, high in zip(
            values_by_time.starts.tolist(), values_by_time.n.tolist(), *columns, strict=True
        )
    ]
    return SeriesAnswer(
        stream.client, stream.model, stream.environment, metric, labels, values_by_time.seconds, points
    )


def alert(one: Alert, suppressed: str = "") -> AlertAnswer:
    """An alert, and what keeps it from being sent."""
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
        suppressed,
    )


def _time(at: float | None) -> str | None:
    return None if at is None else iso(at)
