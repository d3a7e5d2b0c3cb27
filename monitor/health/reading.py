"""The store, read for pages and digests: a client's models with their state, figures, days and incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from monitor.health import history, verdict
from monitor.health.daybook import bounds
from monitor.health.settings import ClientSettings
from monitor.health.verdict import ClientHealth, Day, Health, Incident, ModelHealth, Quality
from monitor.records import Alert, Stream
from monitor.store import alerts as alert_store
from monitor.store import days as day_store
from monitor.store import register
from monitor.store.days import DayFigures
from monitor.store.register import StreamFigures

SHOWN = "production"
"""Clients see production only."""
STRIP_DAYS = 30


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a client, for all of its models at once."""

    settings: ClientSettings
    now: float
    today: date
    alerts: Mapping[str, Alert]
    incidents: Sequence[Incident]
    days: Mapping[Stream, Sequence[DayFigures]]


def client(
    connection: Connection, key: str, settings: ClientSettings, now: float, span_days: int = STRIP_DAYS
) -> ClientHealth | None:
    """How a client's models are doing; None where nothing is known of such a client."""
    found = [
        figures
        for figures in register.figures_of_all(connection)
        if figures.stream.client == key and figures.stream.environment == SHOWN
    ]
    if not found and not settings.models:
        return None
    known = _read(connection, key, settings, now, span_days)
    models = [_model(figures.stream, figures, known, span_days) for figures in found]
    present = {figures.stream.model for figures in found}
    expected = [Stream(key, model, SHOWN) for model in settings.models if model not in present]
    models += [_model(stream, None, known, span_days) for stream in expected]
    headline, health = verdict.headline(models)
    start, _ = bounds(known.today - timedelta(days=span_days - 1), settings.zone)
    first = min([figures.first_received for figures in found] + _first_days(known), default=now)
    within = verdict.within_limits(known.incidents, len(found), max(start, first), now)
    ordered = verdict.worst_first(models)
    return ClientHealth(key, settings.name or key, now, ordered, headline, health, within)


def _first_days(known: "_Known") -> list[float]:
    """When each model's first known day begins: history may have come in later than it happened."""
    return [bounds(own[0].day, known.settings.zone)[0] for own in known.days.values() if own]


def local_date(at: float, settings: ClientSettings) -> date:
    """The reader's date."""
    return datetime.fromtimestamp(at, settings.zone).date()


def _read(connection: Connection, key: str, settings: ClientSettings, now: float, span_days: int) -> _Known:
    today = local_date(now, settings)
    first = today - timedelta(days=span_days - 1)
    start, _ = bounds(first, settings.zone)
    alerts = alert_store.of_client(connection, key, SHOWN)
    transitions = [
        transition
        for transition in alert_store.load_transitions(connection, start, now + 1, key)
        if transition.stream.environment == SHOWN
    ]
    found = history.incidents(transitions, alerts, settings)
    figures = day_store.between(connection, key, first - timedelta(days=7), today)
    return _Known(settings, now, today, alerts, found, figures)


def _model(stream: Stream, figures: StreamFigures | None, known: _Known, span_days: int) -> ModelHealth:
    settings, now = known.settings, known.now
    received = figures.last_received if figures is not None and figures.rows else None
    mine = [alert for alert in known.alerts.values() if alert.stream == stream]
    health = verdict.judge(
        stream, settings.title(stream.model), mine, received, now=now, stale_after=settings.stale_after
    )
    days = known.days.get(stream, ())
    by_day = {one.day: one for one in days}
    today, week_ago = by_day.get(known.today), by_day.get(known.today - timedelta(days=7))
    first = known.today - timedelta(days=span_days - 1)
    return replace(
        health,
        quality=quality(stream, days, known.today, settings),
        is_counted=today is not None or received is None or local_date(received, settings) < known.today,
        counted_at=today.updated_at if today else None,
        decisions=today.decisions if today else 0.0,
        errors=today.errors if today else 0.0,
        decisions_before=None if week_ago is None else week_ago.decisions * _elapsed(known),
        days=_until_now(
            history.days(stream, days, known.incidents, first, known.today, settings), health.health
        ),
        incidents=tuple(incident for incident in known.incidents if incident.stream == stream),
    )


def _until_now(found: tuple[Day, ...], health: Health) -> tuple[Day, ...]:
    """Today is no better than now: a model that fell silent at noon has no whole day."""
    if not found or found[-1].health.code >= health.code:
        return found
    return (*found[:-1], replace(found[-1], health=health))


def _elapsed(known: _Known) -> float:
    """The share of today that has passed: what a whole day of last week is cut to before it is compared."""
    start, end = bounds(known.today, known.settings.zone)
    return min(1.0, (known.now - start) / (end - start))


def quality(
    stream: Stream, days: Sequence[DayFigures], today: date, settings: ClientSettings
) -> Quality | None:
    """The newest day with a figure within the last seven, beside the same figure of a week before that day."""
    view = settings.view(stream.model)
    recent = [one for one in days if today - timedelta(days=7) < one.day <= today and one.quality is not None]
    if not recent:
        return None
    newest = recent[-1]
    before = next(
        (
            one.quality
            for one in days
            if one.day == newest.day - timedelta(days=7) and one.metric == newest.metric
        ),
        None,
    )
    target = view.target if not view.quality or view.quality == newest.metric else None
    return Quality(
        newest.metric, newest.quality, target, before, newest.estimated, newest.quality_n, newest.day
    )
