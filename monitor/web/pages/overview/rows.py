"""One line of the overview per model: its state, its newest figures and its quality against the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from monitor import status
from monitor.config.units import HOUR
from monitor.health import client_state, wording
from monitor.health import targets as agreed_targets
from monitor.health.model_state import Health, Quality
from monitor.records import Alert, Measurement, Stream
from monitor.rules.language.wording import figure as with_unit
from monitor.store import daily_summaries, fleet_measurements, targets
from monitor.store.daily_summaries import DayFigures
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod
from monitor.web.pages.staff import health_of
from monitor.web.services import Services

NEWEST = 4
"""Closed base windows that are searched for the newest figures: older ones say nothing about now."""
HOURS = 2
METRICS = ("volume", "error_rate", "latency_p95")
DRIFT = "drifted_share"


@dataclass(frozen=True, slots=True)
class OverviewCell:
    """A figure of a row: the number to sort by, how it is shown, and what stands beside it. None: not measured."""

    value: float | tuple[int, float] | None = None
    text: str = wording.NOTHING
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model. `since` is when its state began, `searched` what the search looks at."""

    stream: Stream
    health: Health
    since: float | None
    owner: str
    alerts: int
    rows: int
    received_at: float | None
    searched: str
    unknown: str = ""
    rate: OverviewCell = OverviewCell()
    errors: OverviewCell = OverviewCell()
    p95: OverviewCell = OverviewCell()
    quality: OverviewCell = OverviewCell()
    drift: OverviewCell = OverviewCell()
    metric: str = ""
    """The metric that stands for quality; empty without one."""


@dataclass(frozen=True, slots=True)
class _StoredFigures:
    """The stored figures of all streams."""

    recent: Mapping[Stream, Mapping[str, Measurement]]
    hourly: Mapping[Stream, Mapping[str, Measurement]]
    days: Mapping[Stream, Sequence[DayFigures]]
    standing: Mapping[Stream, Sequence[TargetPeriod]]


def read(
    connection: Connection,
    services: Services,
    known: Sequence[StreamFigures],
    firing: Sequence[Alert],
    now: float,
) -> list[ModelRow]:
    """A row for each stream; one whose stored figures cannot be read is left out."""
    base, streams = services.base_seconds, [one.stream for one in known]
    edge, hour = int(now // base) * base, int(now // HOUR) * HOUR
    days = {client_state.local_date(now, services.client(stream.client)) for stream in streams}
    data = _StoredFigures(
        fleet_measurements.newest(
            connection, streams, base, [edge - base * k for k in range(1, NEWEST + 1)], METRICS
        ),
        fleet_measurements.newest(
            connection, streams, HOUR, [hour - HOUR * k for k in range(HOURS)], (DRIFT,)
        ),
        daily_summaries.between(connection, "", min(days) - timedelta(days=7), max(days)) if days else {},
        targets.current(connection),
    )
    by_stream: dict[Stream, list[Alert]] = {}
    for alert in firing:
        by_stream.setdefault(alert.stream, []).append(alert)
    rows = []
    for one in known:
        with services.store.faults.isolate("streams", f"{one.stream}: overview"):
            rows.append(_row(services, one, by_stream.get(one.stream, []), data, now))
    return rows


def _row(
    services: Services, known: StreamFigures, mine: list[Alert], data: _StoredFigures, now: float
) -> ModelRow:
    stream, settings = known.stream, services.client(known.stream.client)
    standing = data.standing.get(stream, ())
    health = health_of(services, known, mine, now, standing)
    view = settings.view(stream.model)
    today = client_state.local_date(now, settings)
    quality = client_state.quality(stream, data.days.get(stream, ()), today, settings, standing)
    recent = data.recent.get(stream, {})
    names = (stream.client, settings.name, stream.model, view.title, stream.environment, view.owner)
    return ModelRow(
        stream,
        health.health,
        health.since,
        view.owner,
        len(mine),
        known.rows,
        known.data_until if known.rows else None,
        f"{stream} {' '.join(names)}".casefold(),
        " ".join(status.unknown_model(stream, services.models)),
        _rate(recent.get("volume"), settings.sample(stream.model)),
        cell(recent.get("error_rate")),
        cell(recent.get("latency_p95")),
        quality_cell(quality, today),
        cell(data.hourly.get(stream, {}).get(DRIFT)),
        quality.metric if quality is not None else "",
    )


def cell(one: Measurement | None) -> OverviewCell:
    """A measurement as a figure of a row."""
    if one is None:
        return OverviewCell(note="no recent data")
    if one.value is None:
        return OverviewCell(note=one.reason)
    return OverviewCell(one.value, with_unit(one.value, one.unit))


def _rate(one: Measurement | None, sample: str) -> OverviewCell:
    if one is None or one.value is None:
        return cell(one)
    return OverviewCell(one.value / one.window.seconds, per_time(one.value / one.window.seconds), sample)


def per_time(per_second: float) -> str:
    """A rate in the unit in which it is easy to read: `12 /s`, `6 /min`, `3 /h`."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_second * seconds >= 1:
            return f"{wording.number(per_second * seconds)} /{unit}"
    return f"{wording.number(per_second * 3600)} /h" if per_second else "0 /s"


def quality_cell(quality: Quality | None, today: date) -> OverviewCell:
    """The quality against its target; sorted by the distance to the target, worst first, then those without one."""
    if quality is None or quality.value is None:
        return OverviewCell(note="no outcomes yet")
    sign = 1 if agreed_targets.is_least(quality.metric) else -1
    target = quality.target
    key = (1, sign * quality.value)
    if target is not None:
        key = (0, sign * (quality.value - target) / (abs(target) or 1.0))
    kept = "" if quality.standing is None else quality.standing.words
    notes = (quality.agreed, kept, "estimated" if quality.estimated else "", _day(quality, today))
    return OverviewCell(key, f"{quality.shown} {quality.metric}", ", ".join(filter(None, notes)))


def _day(quality: Quality, today: date) -> str:
    """The time that a figure is of, where it is not today."""
    if quality.period is not None:
        return agreed_targets.over(quality.period.seconds)
    if quality.day in (None, today):
        return ""
    return f"{quality.day:%a} {quality.day.day} {quality.day:%b}" if quality.day else ""
