"""Jira Service Management, operations (the successor of Opsgenie, with the same API of integrations).

The `alias` of an alert is a digest of the dedup key: closing names it in the path of the address, where a key with `/`
would not survive.
"""

import hashlib
from typing import Any, Literal

import msgspec
from pydantic import Field, field_validator

from monitor.alerts.notification import Notification, printable
from monitor.config.sections import Secret
from monitor.notify.addresses import SecretKey, web_url
from monitor.notify.channel import ATTEMPT_SECONDS, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.http import Http
from monitor.notify.text import headline, lines
from monitor.records import Action
from monitor.text_limits import shortened
from monitor.visible import one_line

LONGEST_MESSAGE, LONGEST_DESCRIPTION, LONGEST_ENTITY = 130, 15_000, 512
MOST_TAGS, LONGEST_TAG = 20, 50
LONGEST_NAME, LONGEST_DETAIL = 100, 500
"""Characters of the name and the value of a detail; all together may have 8,000."""
LONGEST_NOTE = 25_000
Priority = Literal["P1", "P2", "P3", "P4", "P5"]
_PRIORITIES: dict[str, Priority] = {"critical": "P1", "warning": "P3", "info": "P5"}


class JsmSettings(ConnectionSettings):
    """Jira Service Management, operations: an integration of the kind API."""

    api_key: SecretKey
    """API key of the integration."""
    clients: dict[str, SecretKey] = Field(default_factory=dict)
    """API keys of single clients, such as those of other teams."""
    url: str = "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
    """URL of the alerts. Opsgenie has https://api.opsgenie.com/v2/alerts until April 2027."""
    tags: tuple[str, ...] = ()
    """Tags of each alert, beside client, model and environment."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return web_url(Secret(value)).get_secret_value().rstrip("/")


class Jsm:
    """Creates, acknowledges and closes alerts."""

    name = "jsm"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=10, per_second=1.0)
    actions = frozenset((Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE))

    def __init__(self, settings: JsmSettings) -> None:
        self._settings = settings
        self._http = Http("Jira Service Management", settings.route)

    def send(self, notification: Notification) -> str:
        """Send one request; the response is 202, and the alert is made a moment later."""
        settings, notification = self._settings, printable(notification)
        key = settings.clients.get(notification.client, settings.api_key).get_secret_value()
        url, body = settings.url, alert(notification, settings.tags)
        if notification.action is not Action.TRIGGER:
            verb = "close" if notification.action is Action.RESOLVE else "acknowledge"
            url = f"{url}/{alias(notification.key)}/{verb}?identifierType=alias"
            body = {"source": "Watchkeeper", "note": "\n".join(lines(notification))[:LONGEST_NOTE]}
        headers = {"Authorization": f"GenieKey {key}", "Content-Type": "application/json"}
        answer = self._http.post(url, msgspec.json.encode(body), headers)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def alias(key: str) -> str:
    """The alias of an alert: equal for all notifications of an incident."""
    return f"watchkeeper-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def alert(notification: Notification, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body of a new alert, within all limits of the API."""
    body: dict[str, Any] = {
        "message": shortened(headline(notification), LONGEST_MESSAGE) or "Watchkeeper",
        "alias": alias(notification.key),
        "priority": _PRIORITIES.get(notification.severity, "P3"),
        "source": "Watchkeeper",
    }
    if notification.is_small:
        return body
    named = (notification.client, notification.model, notification.environment)
    links = {one_line(link.text.partition(" (")[0]) or "Link": link.href for link in notification.links[:5]}
    details = {
        "alert": notification.alert,
        "value": notification.value,
        "limit": notification.limit,
        "baseline": notification.baseline,
        "dedup_key": notification.key,
        **links,
    }
    return body | {
        "description": "\n".join(lines(notification))[:LONGEST_DESCRIPTION],
        "entity": notification.source[:LONGEST_ENTITY],
        "tags": [one_line(tag)[:LONGEST_TAG] for tag in (*named, *tags) if tag][:MOST_TAGS],
        "details": {
            name[:LONGEST_NAME]: text[:LONGEST_DETAIL]
            for name, text in details.items()
            if text not in ("", "-")
        },
    }
