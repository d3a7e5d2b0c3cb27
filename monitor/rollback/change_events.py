"""Change events for rollbacks, so that the pager shows them next to the incident that they answer. Pure.

One says that an order was given, another what became of it. A change event pages no one. It is a row of the outbox with
a key of its own, so it is sent once, whoever gave the order: a rule or a person.
"""

from collections.abc import Iterable

from monitor.alerts.compose import model_page
from monitor.alerts.notification import Notification, encode
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Delivery, Priority, Severity, labels
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.texts import shortened
from monitor.visible import visible

_LONGEST_NAME, _LONGEST_REASON = 120, 400
_SAID = {
    ("rollback", "ordered"): "rollback of version {version}{to} is ordered",
    ("rollback", "verified"): "rollback of version {version}{to} is verified",
    ("rollback", "failed"): "rollback of version {version}{to} has failed",
    ("freeze", "ordered"): "freeze of the rollout of version {version} is ordered",
    ("freeze", "verified"): "the rollout of version {version} is frozen",
    ("freeze", "failed"): "freeze of the rollout of version {version} has failed",
}


def change_events(
    rollback: Rollback, channels: Iterable[str], settings: AlertSettings, now: float, since: float
) -> list[Delivery]:
    """One change event per channel for the order, and for its end, as far as they are not older than `since`.

    There is none for a dry run, a drill, or a decision against a rollback.
    """
    if not rollback.is_real or not rollback.was_ordered:
        return []
    moments = [("ordered", rollback.decided_at, rollback.reason)]
    if rollback.state in (RollbackState.VERIFIED, RollbackState.FAILED):
        moments.append((rollback.state.value, rollback.ended_at or now, rollback.detail))
    names = list(channels)
    return [
        one
        for what, at, reason in moments
        if at >= since
        for one in _deliveries(rollback, what, at, reason, names, settings, now)
    ]


def _deliveries(
    rollback: Rollback,
    what: str,
    at: float,
    reason: str,
    channels: Iterable[str],
    settings: AlertSettings,
    now: float,
) -> Iterable[Delivery]:
    stream = rollback.stream
    key = f"watchkeeper:{stream.environment}:rollback:{rollback.id}:{what}"
    version, other = (shortened(visible(name), _LONGEST_NAME) for name in (rollback.version, rollback.other))
    kind = "freeze" if rollback.kind == "freeze" else "rollback"
    said = _SAID[kind, what].format(version=version, to=f" to {other}" if other else "")
    body = encode(
        Notification(
            action=Action.CHANGE,
            key=key,
            severity=Severity.INFO.value,
            title=f"{stream.client}/{stream.model} {stream.environment}: {said}",
            impact="",
            client=stream.client,
            model=stream.model,
            environment=stream.environment,
            alert="RollbackStep",
            started_at=at,
            reason=shortened(visible(reason), _LONGEST_REASON),
            links=model_page(stream, settings),
            labels=tuple(sorted((*labels(version=version, before=other), *stream.labels))),
            said_at=now,
        )
    )
    return (Delivery(name, key, 1, Action.CHANGE, body, now, Priority.LAST) for name in channels)
