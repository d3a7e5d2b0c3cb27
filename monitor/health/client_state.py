"""Reads the state of a client's models from the store, for pages and digests: figures, days and incidents."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from monitor.health import incident_history, model_state, notes, targets, wording
from monitor.health.attainment import within_limits
from monitor.health.daily_summary import bounds
from monitor.health.model_state import ClientHealth, ClientIncident, Day, Health, ModelHealth, Quality
from monitor.health.settings import ClientSettings, ModelView
from monitor.records import Alert, Stream
from monitor.runtime.threads.preemption import preemptible
from monitor.store import alerts as alert_store
from monitor.store import daily_summaries as day_store
from monitor.store import diagnoses, incident_notes, streams
from monitor.store import targets as target_store
from monitor.store.daily_summaries import DayFigures
from monitor.store.streams import StreamFigures
from monitor.store.targets import TargetPeriod

SHOWN = "production"
"""Clients see production only."""
STRIP_DAYS = 30
_OfStream = TypeVar("_OfStream", Alert, ClientIncident)


@dataclass(frozen=True)
class ClientHistory:
    """The stored data of a client over some days, for all its models: incidents newest first, days, targets."""

    settings: ClientSettings
    now: float
    today: date
    alerts: Mapping[str, Alert]
    incidents: Sequence[ClientIncident]
    days: Mapping[Stream, Sequence[DayFigures]]
    periods: Mapping[Stream, Sequence[TargetPeriod]]

    @cached_property
    def alerts_of(self) -> Mapping[Stream, Sequence[Alert]]:
        """The alerts by stream."""
        return _by_stream(self.alerts.values())

    @cached_property
    def incidents_of(self) -> Mapping[Stream, Sequence[ClientIncident]]:
        """The incidents by stream, newest first."""
        return _by_stream(self.incidents)

    def first_data(self, default: float) -> float:
        """The start of the first day with data, in seconds since the epoch."""
        starts = [bounds(own[0].day, self.settings.zone)[0] for own in self.days.values() if own]
        return min(starts, default=default)


def client(
    connection: Connection, key: str, settings: ClientSettings, now: float, span_days: int = STRIP_DAYS
) -> ClientHealth | None:
    """The state of a client's models; None for an unknown client."""
    all_figures = _figures(connection, key, settings)
    if not all_figures and not settings.models:
        return None
    data = history(connection, key, settings, now, span_days)
    models = [_model(figures.stream, figures, data, span_days) for figures in preemptible(all_figures)]
    present = {figures.stream for figures in all_figures}
    models += [
        _model(stream, None, data, span_days) for stream in without_data(key, settings.models, present)
    ]
    headline, health = model_state.headline(models)
    start, _ = bounds(data.today - timedelta(days=span_days - 1), settings.zone)
    first = min([figures.first_received for figures in all_figures], default=now)
    first = min(first, data.first_data(default=now))
    within = within_limits(data.incidents, len(all_figures), max(start, first), now)
    ordered = model_state.worst_first(models)
    since = first if first > start else None
    return ClientHealth(key, settings.name or key, now, ordered, headline, health, within, since)


def model(
    connection: Connection, key: str, name: str, settings: ClientSettings, now: float
) -> ModelHealth | None:
    """The state of one model, as `client` has it, without reading the others; None for one that is unknown or not
    shown.
    """
    stream = Stream(key, name, SHOWN)
    figures = streams.figures(connection, stream)
    if not settings.shows(name) or (figures is None and name not in settings.models):
        return None
    return _model(stream, figures, history(connection, key, settings, now, STRIP_DAYS, name), STRIP_DAYS)


def _figures(connection: Connection, key: str, settings: ClientSettings) -> list[StreamFigures]:
    return [
        figures
        for figures in streams.figures_of_all(connection, key)
        if figures.stream.environment == SHOWN and settings.shows(figures.stream.model)
    ]


def streams_of(
    connection: Connection, key: str, settings: ClientSettings
) -> tuple[list[Stream], list[Stream]]:
    """The models of a client that have sent data, and those that are only configured, each by title."""
    with_data = [figures.stream for figures in _figures(connection, key, settings)]
    silent = without_data(key, settings.models, with_data)

    def title(stream: Stream) -> str:
        return settings.title(stream.model).lower()

    return sorted(with_data, key=title), sorted(silent, key=title)


def without_data(client: str, models: Iterable[str], with_data: Collection[Stream]) -> list[Stream]:
    """The configured models of a client that have never sent data, in their order: they wait in every view."""
    return [one for model in models if (one := Stream(client, model, SHOWN)) not in with_data]


def incidents(
    connection: Connection, key: str, settings: ClientSettings, now: float, span_days: int = STRIP_DAYS
) -> list[ClientIncident]:
    """A client's incidents of the last days, newest first."""
    return list(history(connection, key, settings, now, span_days).incidents)


def local_date(at: float, settings: ClientSettings) -> date:
    """The local date of a client."""
    return datetime.fromtimestamp(at, settings.zone).date()


def history(
    connection: Connection, key: str, settings: ClientSettings, now: float, span_days: int, model: str = ""
) -> ClientHistory:
    """The stored data of a client's models, or of one of them, from the first of `span_days` local days on, today
    included.
    """

    def is_shown(stream: Stream) -> bool:
        return stream.environment == SHOWN and settings.shows(stream.model) and model in ("", stream.model)

    today = local_date(now, settings)
    first = today - timedelta(days=span_days - 1)
    start, _ = bounds(first, settings.zone)
    alerts = {
        fingerprint: alert
        for fingerprint, alert in alert_store.of_client(connection, key, SHOWN).items()
        if is_shown(alert.stream)
    }
    transitions = [
        transition
        for transition in alert_store.load_transitions(connection, start, now + 1, key)
        if is_shown(transition.stream)
    ]
    periods = {
        stream: own
        for stream, own in target_store.between(connection, key, start, now + 1).items()
        if is_shown(stream)
    }
    happened = {one.fingerprint for one in transitions} & alerts.keys()
    known = diagnoses.of_alerts(connection, happened)
    written = notes.by_incident(incident_notes.of_client(connection, key))
    figures = {
        stream: own
        for stream, own in day_store.between(connection, key, first - timedelta(days=7), today, model).items()
        if is_shown(stream)
    }
    missed: dict[Stream, Sequence[TargetPeriod]] = {
        stream: incident_history.missed_days(stream, own, periods.get(stream, ()), settings, (start, now))
        for stream, own in preemptible(figures.items())
    }
    all_periods = {one: (*periods.get(one, ()), *missed.get(one, ())) for one in {*periods, *missed}}
    newest_first = [
        replace(one, notes=written.get((one.fingerprint, int(one.started)), ()))
        for one in incident_history.incidents(transitions, alerts, settings, all_periods, known)
    ]
    return ClientHistory(settings, now, today, alerts, newest_first, figures, periods)


def _model(stream: Stream, figures: StreamFigures | None, data: ClientHistory, span_days: int) -> ModelHealth:
    settings, now = data.settings, data.now
    received = figures.data_until if figures is not None and figures.rows else None
    standing = [one for one in data.periods.get(stream, ()) if one.until is None]
    health = model_state.model_health(
        stream,
        settings.title(stream.model),
        data.alerts_of.get(stream, ()),
        received,
        now=now,
        stale_after=settings.stale_after,
        targets=standing,
        site=figures.site if figures is not None else "",
    )
    days, happened = data.days.get(stream, ()), data.incidents_of.get(stream, ())
    by_day = {one.day: one for one in days}
    today, week_ago = by_day.get(data.today), by_day.get(data.today - timedelta(days=7))
    first = data.today - timedelta(days=span_days - 1)
    its_quality = quality(stream, days, data.today, settings, standing)
    return replace(
        health,
        sentence=with_quality(health, its_quality, data.today),
        quality=its_quality,
        is_counted=today is not None or received is None or local_date(received, settings) < data.today,
        counted_at=today.updated_at if today else None,
        decisions=today.decisions if today else 0.0,
        errors=today.errors if today else 0.0,
        decisions_before=None if week_ago is None else week_ago.decisions * _elapsed(data),
        days=_until_now(
            incident_history.days(stream, days, happened, first, data.today, settings), health.health
        ),
        incidents=tuple(happened),
    )


def _by_stream(listed: Iterable[_OfStream]) -> dict[Stream, list[_OfStream]]:
    of_stream: dict[Stream, list[_OfStream]] = {}
    for one in listed:
        of_stream.setdefault(one.stream, []).append(one)
    return of_stream


def with_quality(model: ModelHealth, quality: Quality | None, today: date) -> str:
    """The sentence of a model; of one that works without targets, with its newest quality from enough rows."""
    is_said = model.health is Health.WORKING and not model.targets
    if not is_said or quality is None or quality.value is None or quality.day is None:
        return model.sentence
    if quality.n < targets.FEWEST:
        return model.sentence
    days = (today - quality.day).days
    when = ("today", "yesterday")[days] if days in (0, 1) else wording.date_words(quality.day)
    clause = wording.says(quality.metric, quality.value)
    return f"{model.sentence} As of {when}, it {clause}{' (estimated)' if quality.estimated else ''}."


def _until_now(days: tuple[Day, ...], health: Health) -> tuple[Day, ...]:
    """The days, with today at least as bad as the current state."""
    if not days or days[-1].health.code >= health.code:
        return days
    return (*days[:-1], replace(days[-1], health=health))


def _elapsed(data: ClientHistory) -> float:
    """The share of today that has passed: the same share of last week's day is compared with it."""
    start, end = bounds(data.today, data.settings.zone)
    return min(1.0, (data.now - start) / (end - start))


def quality(
    stream: Stream,
    days: Sequence[DayFigures],
    today: date,
    settings: ClientSettings,
    standing: Sequence[TargetPeriod] = (),
) -> Quality | None:
    """The value by which the quality target is judged, else that of the newest of the last seven days, and the value a
    week earlier.
    """
    view = settings.view(stream.model)
    judged = _judged(view, standing)
    if judged is not None:
        week_ago = [
            one for one in days if one.day == today - timedelta(days=7) and one.metric == judged.metric
        ]
        before = week_ago[0].quality if week_ago else None
        return Quality(
            judged.metric, judged.value, judged.target, before, judged.estimated, judged.n, None, judged
        )
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
    target = targets.limits_of(view, (newest.metric,)).get(newest.metric)
    return Quality(
        newest.metric, newest.quality, target, before, newest.estimated, newest.quality_n, newest.day
    )


def _judged(view: ModelView, standing: Sequence[TargetPeriod]) -> TargetPeriod | None:
    """The target of the metric that stands for quality, if it has a figure."""
    names = targets.quality_metrics(view)
    return next(
        (one for name in names for one in standing if one.metric == name and one.value is not None), None
    )
