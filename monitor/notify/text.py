"""A notification as plain text: for the console, a file, e-mail, chat."""

from monitor.alerts.notification import Notification
from monitor.clock import iso
from monitor.durations import format_duration
from monitor.records import Action

LONGEST_LINE = 160
_WORDS = {
    Action.TRIGGER: "",
    Action.RESOLVE: "RESOLVED",
    Action.ACKNOWLEDGE: "ACKNOWLEDGED",
    Action.CHANGE: "CHANGE",
    Action.MESSAGE: "",
}


def headline(notification: Notification) -> str:
    """`CRITICAL acme/fraud: 31 % of predictions fail`."""
    tier = notification.severity.upper() if notification.action is Action.TRIGGER else ""
    update = "UPDATE" if notification.is_update else ""
    parts = (_WORDS[notification.action], update, tier, notification.title)
    return " ".join(part for part in parts if part)


def lines(notification: Notification) -> list[str]:
    """Everything, one fact a line."""
    if notification.action is Action.RESOLVE:
        ended = notification.ended_at or notification.started_at
        lasted = format_duration(round(ended - notification.started_at))
        return [headline(notification), f"It lasted {lasted}, since {iso(notification.started_at)}."]
    facts = [
        ("note", notification.note),
        ("impact", notification.impact),
        ("value", _figures(notification)),
        ("since", iso(notification.started_at)),
        ("sample", notification.sample),
        ("reason", notification.reason),
        *((f"check {number}", check) for number, check in enumerate(notification.checks, 1)),
        *((link.text.lower(), link.href) for link in notification.links),
    ]
    width = max(len(name) for name, _ in facts)
    told = [headline(notification)]
    for name, value in facts:
        told += _fact(name, value, width) if value else []
    if notification.count > 1:
        told += [f"  - {member}" for member in notification.members]
        unnamed = notification.count - len(notification.members)
        told += [f"  - and {unnamed} more"] if unnamed > 0 else []
    return told


def _fact(name: str, value: str, width: int) -> list[str]:
    """A name and what it says; several clauses that are too long for a line have one each."""
    clauses = value.split("; ") if len(value) > LONGEST_LINE else [value]
    names = [name, *[""] * (len(clauses) - 1)]
    return [f"  {name:<{width}}  {clause}" for name, clause in zip(names, clauses, strict=True)]


def _figures(notification: Notification) -> str:
    if notification.value in ("", "-"):
        return ""
    parts = [notification.value]
    parts += [f"limit {notification.limit}"] if notification.limit not in ("", "-") else []
    parts += [f"baseline {notification.baseline}"] if notification.baseline not in ("", "-") else []
    return ", ".join(parts)
