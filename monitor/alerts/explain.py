"""Explain the state of an alert: reason, figures, silences, notifications and history."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.alerts.inhibition import suppressed
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.errors import NotFoundError
from monitor.records import Alert, DataState, Delivery, State, Status, Transition
from monitor.rules.engine.state import remaining
from monitor.rules.language.wording import bound, figure
from monitor.rules.rule import Rule, RuleSet
from monitor.store import alerts as alert_rows
from monitor.store import incidents, outbox, silences
from monitor.store.incidents import Incident

LATEST = 10
"""Number of past transitions shown."""


@dataclass(frozen=True, slots=True)
class ChannelRecord:
    """The incident of an alert in one channel, with its deliveries."""

    incident: Incident
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All facts about one alert; `lines` is the text for the terminal."""

    alert: Alert
    suppressed: str
    channels: tuple[ChannelRecord, ...]
    changes: tuple[Transition, ...]
    lines: tuple[str, ...]


def find(connection: Connection, word: str, client: str = "") -> list[Alert]:
    """Alerts by fingerprint, rule name, `client/model`, or `client/model/rule`; open ones first.

    The environment may follow the model. With a client, only its alerts are found.

    Raises:
        NotFoundError: no alert matches.
    """
    known = alert_rows.load(connection).values()
    matching = [alert for alert in known if client in ("", alert.stream.client) and word in _names(alert)]
    if not matching:
        hint = "watchkeeper alerts lists the firing alerts; an alert that never fired has no history"
        raise NotFoundError(f"no alert matches {word!r}", hint=hint)
    return sorted(matching, key=lambda a: (not a.is_open, -(a.fired_at or 0.0), a.fingerprint))


def _names(alert: Alert) -> Iterator[str]:
    """Every way to name an alert."""
    yield alert.fingerprint
    yield alert.rule
    for stream in (f"{alert.stream.client}/{alert.stream.model}", str(alert.stream)):
        yield stream
        yield f"{stream}/{alert.rule}"


def explain(
    connection: Connection, alert: Alert, rules: RuleSet, settings: AlertSettings, now: float
) -> Explanation:
    """Explain one alert at the time `now`."""
    return next(explain_all(connection, [alert], rules, settings, now))


def explain_all(
    connection: Connection, chosen: Iterable[Alert], rules: RuleSet, settings: AlertSettings, now: float
) -> Iterator[Explanation]:
    """Explain alerts at the time `now`; what is the same for all is read once."""
    everything = alert_rows.load(connection)
    reasons = suppressed(everything.values(), silences.load(connection, now), now, settings)
    known = incidents.load_since(connection, 0.0)
    for alert in chosen:
        yield _explained(connection, alert, rules, now, reasons.get(alert.fingerprint, ""), known)


def _explained(
    connection: Connection, alert: Alert, rules: RuleSet, now: float, why_not: str, known: Iterable[Incident]
) -> Explanation:
    channels = tuple(_channel_records(connection, alert, known))
    changes = alert_rows.load_transitions(connection, 0.0, now + 1, fingerprint=alert.fingerprint)[-LATEST:]
    rule = next((r for r in rules.for_stream(alert.stream) if r.name == alert.rule), None)
    lines = [
        f"{alert.rule} of {alert.stream}{_instance(alert)} is {_state(alert, now)}.",
        f"  why           {alert.reason or 'not evaluated yet'}",
        *_diagnosis(alert),
        *_numbers(alert),
        *_waiting(rule, alert),
        *([f"  suppressed    {why_not}"] if why_not else []),
        *([f"  acknowledged  by {alert.acknowledged_by}"] if alert.acknowledged_at is not None else []),
        *(_notified(channel) for channel in channels),
        *([f"  rule          {rule.source}"] if rule is not None else ["  rule          no longer in force"]),
        *(["  history"] if changes else []),
        *(f"    {iso(c.at)}  {c.before.value} -> {c.to.value}: {c.reason}" for c in changes),
    ]
    return Explanation(alert, why_not, channels, tuple(changes), tuple(lines))


def _channel_records(connection: Connection, alert: Alert, known: Iterable[Incident]) -> list[ChannelRecord]:
    mine = [incident for incident in known if (alert.fingerprint, alert.episode) in incident.members]
    return [ChannelRecord(i, tuple(outbox.conversation(connection, i.channel, i.key))) for i in mine]


def _notified(record: ChannelRecord) -> str:
    last = record.deliveries[-1] if record.deliveries else None
    if last is None:
        return f"  notified      {record.incident.channel}: nothing sent"
    attempts = f"{last.attempts} {'attempt' if last.attempts == 1 else 'attempts'}"
    words = {
        Status.SENT: f"{last.action.value} accepted",
        Status.PENDING: f"{last.action.value} pending after {attempts}",
        Status.LEASED: f"{last.action.value} in progress",
        Status.SUPERSEDED: "nothing sent: the alert resolved first",
        Status.DEAD: f"{last.action.value} rejected",
    }
    return f"  notified      {record.incident.channel}: {words[last.status]} ({record.incident.key})"


def _state(alert: Alert, now: float) -> str:
    since = {
        State.PENDING: alert.active_since,
        State.FIRING: alert.fired_at,
        State.RECOVERING: alert.recovering_since,
        State.RESOLVED: alert.resolved_at,
    }.get(alert.state)
    text = alert.state.value
    if since is not None:
        text += f" since {iso(since)} ({format_duration(round(max(now - since, 0.0)))})"
    if alert.flapping:
        text += ", flapping"
    return (
        text
        if alert.data is DataState.OK
        else f"{text}, evaluation paused: {alert.data.value.replace('_', ' ')}"
    )


def _diagnosis(alert: Alert) -> list[str]:
    known = alert.diagnosis
    if known is None:
        return []
    what = [f"  what          {known.what}"] if known.what else []
    return [*what, *(f"  possible      {cause}" for cause in known.causes)]


def _numbers(alert: Alert) -> list[str]:
    if alert.value is None:
        return []
    parts = [f"value {figure(alert.value, alert.unit)}"]
    limit = bound(alert.limit, alert.unit)
    parts += [f"limit {limit}"] if limit != "-" else []
    parts += [f"baseline {figure(alert.baseline, alert.unit)}"] if alert.baseline is not None else []
    return [f"  numbers       {', '.join(parts)}, n = {alert.n:,.0f}"]


def _waiting(rule: Rule | None, alert: Alert) -> list[str]:
    wait = remaining(rule, alert) if rule is not None else None
    if wait is None:
        return []
    what = "fires" if alert.state is State.PENDING else "resolves"
    return [f"  next          {what} in {format_duration(round(wait))} if nothing changes"]


def _instance(alert: Alert) -> str:
    return f" ({', '.join(f'{name}={value}' for name, value in alert.instance)})" if alert.instance else ""
