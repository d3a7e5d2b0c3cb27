"""A notification as plain text, for the console, email and chat."""

import re

from monitor.alerts.notification import Link, Notification
from monitor.clock import iso
from monitor.config.units import format_duration
from monitor.records import Action
from monitor.visible import one_line

LONGEST_LINE = 160
_PING = re.compile(r"@(?=here|channel|everyone|all|group|team)|(?<=<)@", re.IGNORECASE)
_WORDS = {
    Action.TRIGGER: "",
    Action.RESOLVE: "RESOLVED",
    Action.ACKNOWLEDGE: "ACKNOWLEDGED",
    Action.CHANGE: "CHANGE",
    Action.MESSAGE: "",
    Action.ROLLBACK: "ROLLBACK",
}


def headline(notification: Notification) -> str:
    """`CRITICAL acme/fraud: 31 % of predictions fail`."""
    tier = notification.severity.upper() if notification.action is Action.TRIGGER else ""
    update = "UPDATE" if notification.is_update else ""
    parts = (_WORDS[notification.action], update, tier, notification.title)
    return one_line(" ".join(part for part in parts if part))


def unpinged(text: str) -> str:
    """Text for chats in which no name can mention people: `@here` and the like get a zero-width space."""
    return _PING.sub("@\u200b", text)


def lines(notification: Notification) -> list[str]:
    """The headline and all facts, one per line."""
    if notification.action is Action.RESOLVE:
        note = [one_line(notification.note)] if notification.note else []
        listed = [f"  - {member}" for member in members(notification)]
        return [headline(notification), duration(notification), *note, *listed]
    width = max(len(name) for name, _ in facts(notification))
    text = [headline(notification)]
    for name, value in facts(notification):
        parts = [value] if name == "run" else clauses(value)  # a command is one line, however long
        labels = [name, *[""] * (len(parts) - 1)]
        text += [f"  {label:<{width}}  {part}" for label, part in zip(labels, parts, strict=True)]
    return [*text, *(f"  - {member}" for member in members(notification))]


def facts(notification: Notification) -> list[tuple[str, str]]:
    """The facts of a page in the order in which on-call needs them, each with its name; those without value omitted."""
    named = [
        ("note", notification.note),
        ("impact", notification.impact),
        ("value", _figures(notification)),
        ("since", iso(notification.started_at)),
        ("sample", notification.sample),
        *(("possible cause", cause) for cause in notification.causes),
        ("reason", notification.reason),
        *(("run", command) for command in notification.commands),
        *((f"check {number}", check) for number, check in enumerate(notification.checks, 1)),
        *((one_line(link.text.partition(" (")[0].lower()), _where(link)) for link in notification.links),
    ]
    return [(name, value) for name, value in named if value]


def duration(notification: Notification) -> str:
    """`Duration: 14m, since 2026-11-23T14:02:00Z.`"""
    ended = notification.ended_at or notification.started_at
    lasted = format_duration(round(ended - notification.started_at))
    return f"Duration: {lasted}, since {iso(notification.started_at)}."


def members(notification: Notification) -> list[str]:
    """The alerts of a group or storm, one per line; those that are only counted as `and 3 more`."""
    if notification.count <= 1:
        return []
    unnamed = notification.count - len(notification.members)
    named = [one_line(member) for member in notification.members]
    return [*named, *([f"and {unnamed} more"] if unnamed > 0 else [])]


def clauses(value: str) -> list[str]:
    """A value on one line, or one line per clause if it is too long for a line."""
    value = one_line(value)
    return value.split("; ") if len(value) > LONGEST_LINE else [value]


def _where(link: Link) -> str:
    """The address, with a note on who can reach it, if the text has one."""
    _, bracket, note = link.text.partition(" (")
    return f"{link.href}{bracket}{note}"


def _figures(notification: Notification) -> str:
    if notification.value in ("", "-"):
        return ""
    parts = [notification.value]
    parts += [f"limit {notification.limit}"] if notification.limit not in ("", "-") else []
    parts += [f"baseline {notification.baseline}"] if notification.baseline not in ("", "-") else []
    return ", ".join(parts)
