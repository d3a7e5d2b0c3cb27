"""Slack, through an incoming webhook, within Block Kit's limits."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from pydantic import Field

from monitor.alerts.notification import Link, Notification, legible
from monitor.clock import iso
from monitor.notify.addresses import SecretUrl
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.http import Http
from monitor.notify.text import clauses, duration, headline, members, unpinged
from monitor.records import Action
from monitor.visible import one_line

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
_NO_FENCE = "`\u200b`\u200b`"
"""Three backticks, which would end the block of facts, separated by zero-width spaces."""
LONGEST_TITLE = 1000
LONGEST_FACT = 2000
LONGEST_FIELD = 500
MOST_BUTTONS = 5
LARGEST_MESSAGE = 9_000
"""Bytes. Slack rejects messages of more than about 13,000 characters (undocumented)."""


class SlackSettings(ConnectionSettings):
    """Slack, through an incoming webhook (also Mattermost, Rocket.Chat and other compatible services)."""

    webhook_url: SecretUrl
    """URL of the webhook."""
    clients: dict[str, SecretUrl] = Field(default_factory=dict)
    """Webhooks of single clients."""


class Slack:
    """Sends one message per page and one when it resolves."""

    name = "slack"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=5, per_second=1.0)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: SlackSettings) -> None:
        self._default = settings.webhook_url
        self._clients = settings.clients
        self._http = Http("Slack", settings.route)

    def send(self, notification: Notification) -> str:
        """Post one message."""
        url = self._clients.get(notification.client, self._default).get_secret_value()
        body = msgspec.json.encode(message(notification))
        answer = self._http.post(url, body, {"Content-Type": "application/json"})
        return f"posted: {answer.text[:100]}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def message(notification: Notification) -> dict[str, Any]:
    """A message in Slack's JSON: the headline as text for notifications and old clients, and the facts as blocks."""
    notification = legible(notification)
    if notification.message is not None:
        content = notification.message
        ready_blocks = msgspec.json.decode(content.blocks) if content.blocks else []
        subject = unpinged(one_line(content.subject)) or "Watchkeeper"
        return {"text": _fitting(subject, LONGEST_SECTION), "blocks": ready_blocks}
    title = unpinged(headline(notification)) or "Watchkeeper"
    text = {"text": _labelled("", title, LONGEST_TITLE)}
    if notification.is_small:
        return text
    is_page = notification.action is Action.TRIGGER
    facts = _facts(notification) if is_page else _end(notification)
    buttons = [_button(link) for link in notification.links if is_page and _is_address(link.href)]
    actions = [{"type": "actions", "elements": buttons[:MOST_BUTTONS]}] if buttons else []
    header = {"type": "header", "text": {"type": "plain_text", "text": title[:LONGEST_HEADER]}}
    whole = [_section(_labelled("", title, LONGEST_TITLE))] if len(title) > LONGEST_HEADER else []
    while len(msgspec.json.encode([text, header, whole, facts, actions])) > LARGEST_MESSAGE:
        (facts or actions).pop()
    return {**text, "blocks": [header, *whole, *facts, *actions]}


def _facts(notification: Notification) -> list[dict[str, Any]]:
    """The blocks of a page, the most important first: later ones are omitted if the message is too long."""
    figures = (
        ("Value", notification.value),
        ("Limit", notification.limit),
        ("Baseline", notification.baseline),
        ("Since", iso(notification.started_at)),
        ("Sample", notification.sample),
    )
    shown = [
        _labelled(name, unpinged(one_line(value)), LONGEST_FIELD)
        for name, value in figures
        if value not in ("", "-")
    ]
    fields = [{"type": "mrkdwn", "text": text} for text in shown]
    checks = [f"{number}. {check}" for number, check in enumerate(notification.checks, 1)]
    commands = "\n".join(one_line(command) for command in notification.commands)
    blocks = [
        _list("", [notification.note, notification.impact]),
        {"type": "section", "fields": fields},
        _list("Possible cause", notification.causes),
        _code("First checks", commands),
        _list("Then", checks),
        _list("Alerts", members(notification)),
        _list("Reason", clauses(notification.reason)),
    ]
    return [block for block in blocks if block is not None and block.get("fields", True)]


def _end(notification: Notification) -> list[dict[str, Any]]:
    """The blocks of a resolve: how long it lasted, and how each alert ended."""
    blocks = (_list("", [duration(notification), notification.note]), _list("Alerts", members(notification)))
    return [block for block in blocks if block is not None]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _list(name: str, texts: Iterable[str]) -> dict[str, Any] | None:
    """A section with a name and one line per text; None without texts."""
    text = "\n".join(unpinged(one_line(text)) for text in texts if text)
    return _section(_labelled(name, text, LONGEST_FACT)) if text else None


def _code(name: str, text: str) -> dict[str, Any] | None:
    """A section with text that can be copied as it is."""
    if not text:
        return None
    fenced = _fitting(unpinged(text).replace("```", _NO_FENCE), LONGEST_FACT)
    return _section(f"*{name}*\n```\n{fenced}\n```")


def _labelled(name: str, text: str, longest: int) -> str:
    escaped = _fitting(text.replace("```", _NO_FENCE), longest)
    return f"*{name}*\n{escaped}" if name else escaped


def _button(link: Link) -> dict[str, Any]:
    text = unpinged(one_line(link.text))[:75] or "Link"
    return {"type": "button", "text": {"type": "plain_text", "text": text}, "url": link.href}


def _is_address(href: str) -> bool:
    is_web = href.startswith(("https://", "http://"))
    return is_web and len(href) <= LONGEST_SECTION and href.isprintable() and " " not in href


def _fitting(text: str, longest: int) -> str:
    """Text with `&`, `<` and `>` escaped, so that names cannot form mentions or links; no escape is cut in two."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"&[a-z]{0,3}$", "", escaped[:longest]) if len(escaped) > longest else escaped
