"""Microsoft Teams, through the webhook of a workflow ("When a Teams webhook request is received"): an adaptive card.

Office 365 connectors, the webhooks before, are retired; those that still work take the same card.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from pydantic import Field

from monitor.alerts.notification import Notification, legible
from monitor.notify.addresses import SecretUrl
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http import Http
from monitor.notify.text import clauses, duration, facts, headline, members
from monitor.records import Action
from monitor.text_limits import shortened
from monitor.visible import one_line

LARGEST = 20_000
"""Bytes of a message. Teams refuses those over 28 kB, and counts more than what is sent."""
LONGEST_TITLE, LONGEST_TEXT = 300, 1_500
MOST_BUTTONS = 5
_COLOURS = {"critical": "Attention", "warning": "Warning", "info": "Accent"}
_FAILED = re.compile(r"returned HTTP error (\d{3})")
_FACTS = ("value", "since", "sample")


class TeamsSettings(ConnectionSettings):
    """Microsoft Teams, through the webhook of a workflow."""

    webhook_url: SecretUrl
    """URL of the webhook."""
    clients: dict[str, SecretUrl] = Field(default_factory=dict)
    """Webhooks of single clients."""


class Teams:
    """Posts one card per page and one when it resolves."""

    name = "teams"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=4, per_second=1.0)
    actions = PAGES

    def __init__(self, settings: TeamsSettings) -> None:
        self._settings = settings
        self._http = Http("Teams", settings.route)

    def send(self, notification: Notification) -> str:
        """Post one card.

        Raises:
            AttemptError: it was not accepted; connectors say so in the text of an answer with the status 200.
        """
        settings = self._settings
        url = settings.clients.get(notification.client, settings.webhook_url).get_secret_value()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answer = self._http.post(url, msgspec.json.encode(message(notification)), headers)
        if (failed := _FAILED.search(answer.text)) is not None:
            code = int(failed[1])
            kind = {413: FailureKind.MALFORMED, 429: FailureKind.LIMITED}.get(code, FailureKind.UNREACHABLE)
            raise AttemptError(f"Teams returned {code} behind its webhook", kind, code=code)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def message(notification: Notification) -> dict[str, Any]:
    """A message with one card. What does not fit is left out, the least important first."""
    notification = legible(notification)
    title = headline(notification) or "Watchkeeper"
    blocks = _page(notification) if notification.action is Action.TRIGGER else _end(notification)
    colour = (
        "Good" if notification.action is Action.RESOLVE else _COLOURS.get(notification.severity, "Default")
    )
    head = _text(title, LONGEST_TITLE) | {"size": "Large", "weight": "Bolder", "color": colour}
    buttons = [
        {"type": "Action.OpenUrl", "title": _plain(link.text, 75) or "Link", "url": link.href}
        for link in notification.links
        if _is_address(link.href)
    ][:MOST_BUTTONS]
    if notification.is_small:
        blocks, buttons = [], []
    size = len(msgspec.json.encode([head, buttons]))
    body = [head]
    for block in blocks:
        size += len(msgspec.json.encode(block)) + 1
        if size > LARGEST - 500:
            break
        body.append(block)
    return {"type": "message", "attachments": [_attachment(body, buttons, _plain(title, LONGEST_TITLE))]}


def _attachment(body: list[dict[str, Any]], buttons: list[dict[str, Any]], summary: str) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": summary,
        "msteams": {"width": "Full"},
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {
        "contentType": kind,
        "contentUrl": None,
        "content": card | ({"actions": buttons} if buttons else {}),
    }


def _page(notification: Notification) -> list[dict[str, Any]]:
    """The blocks of a page, the most important first."""
    named = facts(notification)
    figures = [
        {"title": name, "value": _plain(value, LONGEST_TEXT)} for name, value in named if name in _FACTS
    ]
    texts = [_text(text) for text in (notification.note, notification.impact) if text]
    causes = _list("Possible cause", notification.causes)
    commands = [_text(one_line(command)) | {"fontType": "Monospace"} for command in notification.commands]
    checks = _list("Then", (f"{number}. {check}" for number, check in enumerate(notification.checks, 1)))
    alerts = _list("Alerts", members(notification))
    reasons = _list("Reason", clauses(notification.reason) if notification.reason else ())
    first = [_heading("First checks"), *commands] if commands else []
    table = [{"type": "FactSet", "facts": figures}] if figures else []
    return [*texts, *table, *causes, *first, *checks, *alerts, *reasons]


def _end(notification: Notification) -> list[dict[str, Any]]:
    """The blocks of a resolve: how long it lasted, and how each alert ended."""
    texts = (duration(notification), notification.note, *members(notification))
    return [_text(text) for text in texts if text]


def _list(name: str, texts: Iterable[str]) -> list[dict[str, Any]]:
    """A heading and one block per text; nothing without texts."""
    blocks = [_text(text) for text in texts if text]
    return [_heading(name), *blocks] if blocks else []


def _heading(name: str) -> dict[str, Any]:
    return _text(name) | {"weight": "Bolder", "separator": True}


def _text(text: str, longest: int = LONGEST_TEXT) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _plain(text, longest), "wrap": True}


def _plain(text: str, longest: int) -> str:
    """One line in which Markdown makes no link or mention, whatever names it holds."""
    line = shortened(one_line(text), longest)
    return line.replace("](", "]\u200b(").replace("<at", "<\u200bat")


def _is_address(href: str) -> bool:
    is_web = href.startswith(("https://", "http://"))
    return is_web and len(href) <= 2_000 and href.isprintable() and " " not in href
