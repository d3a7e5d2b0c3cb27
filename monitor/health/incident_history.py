"""Incident history for clients: transitions paired into incidents, and the state of each local day."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache
from operator import attrgetter
from zoneinfo import ZoneInfo

from monitor.health import targets, wording
from monitor.health.daily_summary import bounds
from monitor.health.model_state import (
    ClientIncident,
    Day,
    Health,
    end_sentence,
    past_sentence,
    state_sentence,
)
from monitor.health.settings import ClientSettings
from monitor.health.targets import Standing
from monitor.records import Alert, Diagnosis, Severity, State, Stream, Transition, fingerprint
from monitor.store.daily_summaries import DayFigures
from monitor.store.targets import TargetPeriod

_QUIET = (Severity.INFO,)
_CODE = attrgetter("code")
_PERCENTILE = re.compile(r"^p(\d\d) ")
_OWN_CAUSES = ("version ", "input ", "the volume ")
"""How causes in the model itself begin. Others name models that may belong to other clients."""


def incidents(
    transitions: Sequence[Transition],
    alerts: Mapping[str, Alert],
    settings: ClientSettings,
    periods: Mapping[Stream, Sequence[TargetPeriod]] | None = None,
    diagnoses: Mapping[tuple[str, int], Diagnosis] | None = None,
) -> list[ClientIncident]:
    """All episodes that fired and all missed targets, newest first, without info alerts. What fires now is included.

    A missed target comes from its period, like the state and the figures, not from its alert.
    `diagnoses` are those of all episodes, by alert and episode.
    """
    by_episode: dict[tuple[str, int], ClientIncident] = {}
    for transition in transitions:
        if transition.severity in _QUIET or transition.rule == targets.RULE:
            continue
        key = (transition.fingerprint, transition.episode)
        alert = alerts.get(transition.fingerprint)
        if transition.to is State.FIRING and transition.before is not State.RECOVERING:
            by_episode.setdefault(key, _opened(transition, alert, settings))
        elif (
            transition.to in (State.RESOLVED, State.INACTIVE)
            and key in by_episode
            and by_episode[key].ended is None
        ):
            by_episode[key] = replace(by_episode[key], ended=transition.at)
    for alert in alerts.values():
        key = (alert.fingerprint, alert.episode)
        if (
            alert.is_open
            and alert.severity not in _QUIET
            and alert.rule != targets.RULE
            and key not in by_episode
            and alert.fired_at is not None
        ):
            by_episode[key] = _ongoing(alert, settings)
    for key, known in (diagnoses or {}).items():
        if key in by_episode:
            by_episode[key] = replace(by_episode[key], cause=_cause(known))
    missed = (
        _missed(period, alerts, settings)
        for own in (periods or {}).values()
        for period in own
        if period.standing == Standing.MISSED
    )
    return sorted([*by_episode.values(), *missed], key=lambda incident: -incident.started)


def _missed(period: TargetPeriod, alerts: Mapping[str, Alert], settings: ClientSettings) -> ClientIncident:
    """A missed target as an incident; its alert, if the rule is active, tells who acknowledged it."""
    title = settings.title(period.stream.model)
    identity = fingerprint(targets.RULE, period.stream, (("target", period.metric),))
    alert = alerts.get(identity)
    is_its = alert is not None and alert.fired_at is not None and alert.fired_at >= period.since - 1
    is_over = period.until is not None
    return ClientIncident(
        period.stream,
        title,
        targets.RULE,
        Severity.WARNING,
        targets.past_sentence(period, title) if is_over else targets.sentence(period, title),
        period.since,
        period.until,
        alert.acknowledged_at if alert is not None and is_its else None,
        identity,
        is_missed=True,
        cause=_cause(alert.diagnosis) if alert is not None and is_its else "",
    )


def missed_days(
    stream: Stream,
    figures: Iterable[DayFigures],
    periods: Sequence[TargetPeriod],
    settings: ClientSettings,
    span: tuple[float, float],
) -> list[TargetPeriod]:
    """The past days within `span` whose quality significantly missed today's target while it was not judged, such as
    those of loaded history; days in a row are one period.
    """
    missed: list[TargetPeriod] = []
    view = settings.view(stream.model)
    for one in sorted(figures, key=lambda one: one.day):
        start, end = bounds(one.day, settings.zone)
        if start < span[0] or end > span[1] or _was_judged(periods, start, end):
            continue
        if (
            targets.of_day(one.metric, one.quality, one.quality_n, view, estimated=one.estimated)
            is Standing.MISSED
        ):
            period = targets.of_missed_day(stream, one.metric, one.quality, view, start, end)
            is_same = bool(missed) and (missed[-1].metric, missed[-1].until) == (period.metric, period.since)
            missed = [*missed[:-1], targets.joined(missed[-1], period)] if is_same else [*missed, period]
    return missed


def _was_judged(periods: Sequence[TargetPeriod], start: float, end: float) -> bool:
    return any(
        one.since < end and (one.until is None or one.until > start) and one.standing != Standing.UNKNOWN
        for one in periods
    )


def days(
    stream: Stream,
    figures: Sequence[DayFigures],
    happened: Sequence[ClientIncident],
    first: date,
    last: date,
    settings: ClientSettings,
) -> tuple[Day, ...]:
    """One entry per local day from `first` to `last`; a day without decisions is waiting unless it had incidents.

    Only an incident makes a day one that needed attention, so that the history tells of each of them.
    """
    by_day = {one.day: one for one in figures}
    mine = [incident for incident in happened if incident.stream == stream]
    entries = []
    for day, start, end in _spans(first, last, settings.zone):
        worst = _worst(mine, start, end)
        one = by_day.get(day)
        if one is None:
            entries.append(Day(day, worst or Health.WAITING))
            continue
        usual = Health.WORKING if one.decisions > 0 else Health.WAITING
        health = max(worst or usual, _by_figure(one, settings) or usual, key=_CODE)
        entries.append(Day(day, health, one.decisions, one.errors, one.quality, one.estimated, one.metric))
    return tuple(entries)


@lru_cache(64)
def _spans(first: date, last: date, zone: ZoneInfo) -> Sequence[tuple[date, float, float]]:
    """The local days from `first` to `last`, each with its bounds in seconds since the epoch."""
    every = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    return [(day, *bounds(day, zone)) for day in every]


def _worst(mine: Sequence[ClientIncident], start: float, end: float) -> Health | None:
    """The worst state that an incident meant within `[start, end)`; None without one."""
    within = [one.health for one in mine if one.started < end and (one.ended is None or one.ended > start)]
    return max(within, key=_CODE, default=None)


def _by_figure(one: DayFigures, settings: ClientSettings) -> Health | None:
    """The state of a day by its quality and the target: a day below it is not shown as working."""
    view = settings.view(one.stream.model)
    stood = targets.of_day(one.metric, one.quality, one.quality_n, view, estimated=one.estimated)
    return Health.WATCH if stood in (Standing.MISSED, Standing.AT_RISK) else None


def _opened(transition: Transition, alert: Alert | None, settings: ClientSettings) -> ClientIncident:
    title = settings.title(transition.stream.model)
    current = alert if alert is not None and alert.episode == transition.episode else None
    is_now = current is not None and current.is_open and current.state is not State.RECOVERING
    ended = end_sentence(current, title) if current is not None else ""
    past = ended or past_sentence(alert, transition.severity, title)
    sentence = state_sentence(alert, title) if alert and is_now else past
    return ClientIncident(
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
        about=_about(alert),
        cause=_cause(current.diagnosis if current is not None else None),
    )


def _ongoing(alert: Alert, settings: ClientSettings) -> ClientIncident:
    title = settings.title(alert.stream.model)
    assert alert.fired_at is not None
    return ClientIncident(
        alert.stream,
        title,
        alert.rule,
        alert.severity,
        state_sentence(alert, title),
        alert.fired_at,
        None,
        alert.acknowledged_at,
        alert.fingerprint,
        alert.episode,
        about=_about(alert),
        cause=_cause(alert.diagnosis),
    )


def _about(alert: Alert | None) -> str:
    """What an alert is about, such as `age`, `region eu`, `unsupported numbers`, `amount, range 0 to 100` or `sex=f,
    compared with sex=m`; empty for the whole model.
    """
    instance = alert.instance if alert is not None else ()
    return ", ".join(filter(None, (_part(name, value) for name, value in instance)))


def _part(name: str, value: str) -> str:
    if name == "signal":
        return value.replace("_", " ")
    if name == "reference_group":
        return f"compared with {value}"
    if name == "of":
        return wording.name(value).lower()
    if name == "column":  # conditions and numbers of rows are of no column
        return "" if value == "rows" else value
    if name == "expectation":
        return value.removeprefix("condition ").replace("features.", "")
    if name == "segment":
        return value.replace("=", " ", 1)
    return value if name in ("feature", "output", "group") else f"{name} {value}"


def _cause(diagnosis: Diagnosis | None) -> str:
    """The diagnosis of an episode: where the problem is, and the likeliest cause; empty if neither is known."""
    if diagnosis is None:
        return ""
    place = _PERCENTILE.sub(r"\1 of 100 answers within ", diagnosis.what)
    place = place.replace("accuracy ", "right answers ", 1) if place.startswith("accuracy ") else place
    likely = [one for one in diagnosis.causes if one.startswith(_OWN_CAUSES)][:1]
    return "; ".join(filter(None, (place, *likely)))
