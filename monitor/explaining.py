"""Why an alert is in the state it is in, in words and numbers."""

from collections.abc import Iterator

from sqlalchemy import Connection

from monitor.clock import iso
from monitor.errors import NotFoundError
from monitor.records import Alert
from monitor.rules.wording import figure
from monitor.settings import format_duration
from monitor.store import alerts, drift, outbox

_TRANSITIONS = 8
_VERDICTS = 5
_WEEK = 7 * 86400.0


def find(connection: Connection, name: str) -> list[Alert]:
    """Alerts by fingerprint (its beginning is enough), rule name, or `client/model/rule`; open ones first.

    Raises:
        NotFoundError: nothing of that name was ever stored.
    """
    known = alerts.load(connection).values()
    found = [alert for alert in known if _is_meant(alert, name)]
    if not found:
        raise NotFoundError(f"no alert answers to '{name}'", hint="`watchkeeper alerts --all` lists them")
    return sorted(found, key=lambda alert: (not alert.is_open, alert.rule, alert.stream, alert.instance))


def explain(connection: Connection, alert: Alert, now: float) -> Iterator[str]:
    """The state, the numbers behind it, how it came about, and who was told."""
    where = "".join(f" {name}={value}" for name, value in alert.instance)
    yield f"{alert.rule}{where} for {alert.stream}: {alert.state} ({alert.severity}, episode {alert.episode})"
    if alert.reason:
        yield f"  because   {alert.reason}"
    if alert.value is not None:
        numbers = f"value {figure(alert.value, alert.unit)}, limit {figure(alert.limit, alert.unit)}"
        base = "" if alert.baseline is None else f", baseline {figure(alert.baseline, alert.unit)}"
        yield f"  numbers   {numbers}{base}, n = {alert.n:,.0f}"
    if alert.is_open and alert.fired_at is not None:
        yield f"  since     {iso(alert.fired_at)} ({format_duration(round(now - alert.fired_at))})"
    if alert.acknowledged_at is not None:
        yield f"  taken by  {alert.acknowledged_by} at {iso(alert.acknowledged_at)}"
    past = alerts.load_transitions(connection, now - _WEEK, now + 1, fingerprint=alert.fingerprint)
    for transition in past[-_TRANSITIONS:]:
        yield f"  {iso(transition.at)}  {transition.before} -> {transition.to}: {transition.reason}"
    yield from _told(connection, alert)
    yield from _drift(connection, alert, now)


def _told(connection: Connection, alert: Alert) -> Iterator[str]:
    for delivery in outbox.about(connection, alert.fingerprint, alert.episode):
        receipts = outbox.load_receipts(connection, delivery.id or 0)
        answer = f": {receipts[-1].outcome} {receipts[-1].detail}" if receipts else ""
        yield f"  told      {delivery.channel} {delivery.action} {delivery.status}{answer}"


def _drift(connection: Connection, alert: Alert, now: float) -> Iterator[str]:
    if "drift" not in alert.rule.lower():
        return
    verdicts = drift.verdicts(connection, alert.stream, now - _WEEK, now + 1)
    for verdict in verdicts[-_VERDICTS:]:
        yield f"  drift     {verdict.reason}"


def _is_meant(alert: Alert, name: str) -> bool:
    path = f"{alert.stream.client}/{alert.stream.model}/{alert.rule}"
    return alert.rule == name or path == name or (len(name) >= 4 and alert.fingerprint.startswith(name))
