"""Why an alert is in the state it is in, in words and with its numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from monitor.alerts.mute import Inhibitor, silenced
from monitor.alerts.settings import AlertSettings
from monitor.clock import iso
from monitor.durations import format_duration
from monitor.errors import NotFoundError
from monitor.records import Alert, DataState, Delivery, Silence, State, Status, Transition
from monitor.rules.rule import Rule, RuleSet
from monitor.rules.state import remaining
from monitor.rules.wording import bound, figure
from monitor.store import alerts as alert_rows
from monitor.store import incidents, outbox, silences
from monitor.store.incidents import Incident

LATEST = 10
"""How many past changes are told."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one channel was told about an alert: its incident, and the deliveries with their states."""

    incident: Incident
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known about one alert. `lines` is it in words."""

    alert: Alert
    held_back: str
    told: tuple[Told, ...]
    changes: tuple[Transition, ...]
    lines: tuple[str, ...]


def find(connection: Connection, word: str) -> list[Alert]:
    """Alerts by fingerprint, rule name, or `client/model/environment`; open ones first.

    Raises:
        NotFoundError: nothing answers to it.
    """
    known = alert_rows.load(connection).values()
    found = [a for a in known if word in (a.fingerprint, a.rule, str(a.stream), f"{a.stream}/{a.rule}")]
    if not found:
        hint = "watchkeeper alerts lists what fires; an alert that never fired has no history"
        raise NotFoundError(f"no alert answers to {word!r}", hint=hint)
    return sorted(found, key=lambda a: (not a.is_open, -(a.fired_at or 0.0), a.fingerprint))


def explain(
    connection: Connection, alert: Alert, rules: RuleSet, settings: AlertSettings, now: float
) -> Explanation:
    """Explain one alert as it stands at `now`."""
    everything = alert_rows.load(connection)
    muted = silences.load(connection, now)
    held_back = _held_back(alert, everything.values(), muted, settings, now)
    told = tuple(_told(connection, alert))
    changes = alert_rows.load_transitions(connection, 0.0, now + 1, fingerprint=alert.fingerprint)[-LATEST:]
    rule = next((r for r in rules.for_stream(alert.stream) if r.name == alert.rule), None)
    lines = [
        f"{alert.rule} of {alert.stream}{_instance(alert)} is {_state(alert, now)}.",
        f"  why       {alert.reason or 'it was never judged'}",
        *_numbers(alert),
        *_waiting(rule, alert),
        *([f"  held back {held_back}"] if held_back else []),
        *([f"  taken     by {alert.acknowledged_by}"] if alert.acknowledged_at is not None else []),
        *(_telling(one) for one in told),
        *([f"  rule      {rule.source}"] if rule is not None else ["  rule      is not in force any more"]),
        *(["  history"] if changes else []),
        *(f"    {iso(c.at)}  {c.before.value} -> {c.to.value}: {c.reason}" for c in changes),
    ]
    return Explanation(alert, held_back, told, tuple(changes), tuple(lines))


def _held_back(
    alert: Alert, alerts: Iterable[Alert], muted: Sequence[Silence], settings: AlertSettings, now: float
) -> str:
    if alert.state is not State.FIRING:
        return ""
    return silenced(alert, muted, now) or Inhibitor(settings.inhibitions, alerts).reason(alert)


def _told(connection: Connection, alert: Alert) -> list[Told]:
    mine = [
        incident
        for incident in incidents.load_since(connection, 0.0)
        if (alert.fingerprint, alert.episode) in incident.members
    ]
    return [Told(i, tuple(outbox.conversation(connection, i.channel, i.key))) for i in mine]


def _telling(told: Told) -> str:
    last = told.deliveries[-1] if told.deliveries else None
    if last is None:
        return f"  told      {told.incident.channel}: nothing"
    words = {
        Status.SENT: f"{last.action.value} was taken",
        Status.PENDING: f"{last.action.value} waits after {last.attempts} attempts",
        Status.LEASED: f"{last.action.value} is on its way",
        Status.SUPERSEDED: "nothing: it was over before it went out",
        Status.DEAD: f"{last.action.value} was refused",
    }
    return f"  told      {told.incident.channel}: {words[last.status]} ({told.incident.key})"


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
        text += ", comes and goes"
    return text if alert.data is DataState.OK else f"{text}, frozen: {alert.data.value.replace('_', ' ')}"


def _numbers(alert: Alert) -> list[str]:
    if alert.value is None:
        return []
    parts = [f"value {figure(alert.value, alert.unit)}"]
    limit = bound(alert.limit, alert.unit)
    parts += [f"limit {limit}"] if limit != "-" else []
    parts += [f"baseline {figure(alert.baseline, alert.unit)}"] if alert.baseline is not None else []
    return [f"  numbers   {', '.join(parts)}, n = {alert.n:,.0f}"]


def _waiting(rule: Rule | None, alert: Alert) -> list[str]:
    wait = remaining(rule, alert) if rule is not None else None
    if wait is None:
        return []
    what = "fires" if alert.state is State.PENDING else "resolves"
    return [f"  next      {what} in {format_duration(round(wait))} if nothing changes"]


def _instance(alert: Alert) -> str:
    return f" ({', '.join(f'{name}={value}' for name, value in alert.instance)})" if alert.instance else ""
