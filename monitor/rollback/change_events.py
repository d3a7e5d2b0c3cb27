"""Change events for rollbacks: one says that an order was given, another what became of it. Pure."""

from monitor.alerts.changes.change_event import ChangeEvent, named
from monitor.store.rollbacks import Rollback, RollbackState

_SAID = {
    ("rollback", "ordered"): "rollback of version {version}{to} was ordered",
    ("rollback", "verified"): "rollback of version {version}{to} was verified",
    ("rollback", "failed"): "rollback of version {version}{to} has failed",
    ("freeze", "ordered"): "freeze of the rollout of version {version} was ordered",
    ("freeze", "verified"): "the rollout of version {version} is frozen",
    ("freeze", "failed"): "freeze of the rollout of version {version} has failed",
}


def changes(rollback: Rollback, now: float, since: float) -> list[ChangeEvent]:
    """The order, and its end, as far as they are not older than `since`.

    There is none for a dry run, a drill, or a decision against a rollback.
    """
    if not rollback.is_real or not rollback.was_ordered:
        return []
    moments = [("ordered", rollback.decided_at, rollback.reason)]
    if rollback.state in (RollbackState.VERIFIED, RollbackState.FAILED):
        moments.append((rollback.state.value, rollback.ended_at or now, rollback.detail))
    return [_change(rollback, what, at, reason) for what, at, reason in moments if at >= since]


def _change(rollback: Rollback, what: str, at: float, reason: str) -> ChangeEvent:
    kind = "freeze" if rollback.kind == "freeze" else "rollback"
    to = f" to {named(rollback.other)}" if rollback.other else ""
    return ChangeEvent(
        rollback.stream,
        "rollback",
        f"{rollback.id}:{what}",
        "RollbackStep",
        at,
        _SAID[kind, what].format(version=named(rollback.version), to=to),
        reason,
        rollback.version,
        rollback.other,
        "rollback",
    )
