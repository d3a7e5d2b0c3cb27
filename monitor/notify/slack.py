"""Slack, through an incoming webhook, within Block Kit's limits."""

from typing import Any

import msgspec
from pydantic import Field

from monitor.alerts.notification import Notification
from monitor.notify.channel import PAGES, Rate
from monitor.notify.http import Http
from monitor.notify.text import headline, lines
from monitor.records import Action
from monitor.settings import Secret, Section

LONGEST_HEADER = 150
LONGEST_SECTION = 3000
LONGEST_MESSAGE = 10_000
"""Slack refuses messages from about 13,000 characters on, without saying so in its documentation."""


class SlackSettings(Section):
    """Slack, through an incoming webhook (also Mattermost, Rocket.Chat and others that take the same)."""

    webhook_url: Secret
    """The webhook's address."""
    clients: dict[str, Secret] = Field(default_factory=dict)
    """Another webhook for some clients."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""


class Slack:
    """One message for a page, one for its end."""

    name = "slack"
    rate: Rate | None = Rate(burst=5, per_second=1.0)
    actions = PAGES | {Action.MESSAGE}

    def __init__(self, settings: SlackSettings) -> None:
        self._default = settings.webhook_url
        self._clients = settings.clients
        self._http = Http("Slack", settings.ca_file)

    def send(self, notification: Notification) -> str:
        """Post one message."""
        url = self._clients.get(notification.client, self._default).get_secret_value()
        body = msgspec.json.encode(message(notification))
        answer = self._http.post(url, body, {"Content-Type": "application/json"})
        return f"posted: {answer.text[:100]}"

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


def message(notification: Notification) -> dict[str, Any]:
    """A message as Slack takes it: the headline, the facts, and buttons to go on."""
    if notification.message is not None:
        letter = notification.message
        blocks_as_given = msgspec.json.decode(letter.blocks) if letter.blocks else []
        return {"text": _escaped(letter.subject)[:LONGEST_SECTION], "blocks": blocks_as_given}
    title = headline(notification)
    if notification.is_small:
        return {"text": _escaped(title)[:LONGEST_SECTION]}
    facts = _escaped("\n".join(lines(notification)[1:]))[: LONGEST_SECTION - 10]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:LONGEST_HEADER]}},
        {"type": "section", "text": {"type": "mrkdwn", "text": f"```{facts}```"}},
    ]
    buttons = [
        {"type": "button", "text": {"type": "plain_text", "text": link.text[:75]}, "url": link.href}
        for link in notification.links
        if link.href.startswith("https://") or link.href.startswith("http://")
    ]
    if buttons and notification.action is Action.TRIGGER:
        blocks.append({"type": "actions", "elements": buttons[:5]})
    return {"text": _escaped(title)[:LONGEST_SECTION], "blocks": blocks}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
