"""What happened: transitions paired into incidents, and the state of each local day."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from monitor.health.daybook import bounds
from monitor.health.settings import ClientSettings
from monitor.health.verdict import Day, Health, Incident, told, told_of_end, told_of_past
from monitor.records import Alert, Severity, State, Stream, Transition
from monitor.store.days import DayFigures

_QUIET = (Severity.INFO,)


def incidents(
    transitions: Sequence[Transition], alerts: Mapping[str, Alert], settings: ClientSettings
) -> list[Incident]:
    """Each episode that fired, the newest first. Info alerts are no incidents. What fires now is always in."""
    found: dict[tuple[str, int], Incident] = {}
    for transition in transitions:
        if transition.severity in _QUIET:
            continue
        key = (transition.fingerprint, transition.episode)
        alert = alerts.get(transition.fingerprint)
        if transition.to is State.FIRING and transition.before is not State.RECOVERING:
            found.setdefault(key, _opened(transition, alert, settings))
        elif transition.to in (State.RESOLVED, State.INACTIVE) and key in found and found[key].ended is None:
            found[key] = replace(found[key], ended=transition.at)
    for alert in alerts.values():
        key = (alert.fingerprint, alert.episode)
        if alert.is_open and alert.severity not in _QUIET and key not in found and alert.fired_at is not None:
            found[key] = _standing(alert, settings)
    return sorted(found.values(), key=lambda incident: -incident.started)


def days(
    stream: Stream,
    figures: Sequence[DayFigures],
    happened: Sequence[Incident],
    first: date,
    last: date,
    settings: ClientSettings,
) -> tuple[Day, ...]:
    """One entry a local day from `first` to `last`; a day without decisions is one of waiting, unless it was worse."""
    by_day = {one.day: one for one in figures}
    mine = [incident for incident in happened if incident.stream == stream]
    found = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        start, end = bounds(day, settings.zone)
        worst = max(
            (i.health for i in mine if i.started < end and (i.ended is None or i.ended > start)),
            key=lambda health: health.code,
            default=None,
        )
        one = by_day.get(day)
        usual = Health.WORKING if one is not None and one.decisions > 0 else Health.WAITING
        health = usual if worst is None else worst
        if one is None:
            found.append(Day(day, health))
        else:
            found.append(Day(day, health, one.decisions, one.errors, one.quality, one.estimated))
    return tuple(found)


def _opened(transition: Transition, alert: Alert | None, settings: ClientSettings) -> Incident:
    title = settings.title(transition.stream.model)
    current = alert if alert is not None and alert.episode == transition.episode else None
    is_now = current is not None and current.is_open and current.state is not State.RECOVERING
    ended = told_of_end(current, title) if current is not None else ""
    past = ended or told_of_past(alert, transition.severity, title)
    sentence = told(alert, title) if alert and is_now else past
    return Incident(
        transition.stream,
        title,
        transition.rule,
        transition.severity,
        sentence,
        transition.at,
        None,
        current.acknowledged_at if current else None,
        transition.fingerprint,
        transition.episode,
    )


def _standing(alert: Alert, settings: ClientSettings) -> Incident:
    title = settings.title(alert.stream.model)
    assert alert.fired_at is not None
    return Incident(
        alert.stream,
        title,
        alert.rule,
        alert.severity,
        told(alert, title),
        alert.fired_at,
        None,
        alert.acknowledged_at,
        alert.fingerprint,
        alert.episode,
    )
