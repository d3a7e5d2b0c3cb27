"""Datadog: alerts, releases and rollbacks as events (Events API v1), beside the metrics that an exporter sends.

The API has no key against doubles: an attempt whose answer was lost may make two events, which the `aggregation_key`
shows as one group.
"""

import hashlib
from typing import Any

import msgspec
from pydantic import Field

from monitor.alerts.notification import Notification, printable
from monitor.config.units import DAY
from monitor.notify.addresses import OptionalUrl, SecretKey
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.http import Http
from monitor.notify.text import headline, lines
from monitor.records import Action
from monitor.text_limits import shortened
from monitor.visible import one_line

LONGEST_TITLE, LONGEST_TEXT, LONGEST_TAG = 100, 4_000, 200
OLDEST = 6.0 * DAY
"""Datadog refuses events of more than seven days ago; older ones get the time at which they are sent."""
_TYPES = {"critical": "error", "warning": "warning", "info": "info"}


class DatadogEventSettings(ConnectionSettings):
    """Datadog: alerts, releases and rollbacks as events."""

    api_key: SecretKey
    """An API key of the organisation."""
    site: str = Field(default="datadoghq.com", pattern=r"^[A-Za-z0-9.-]+$")
    """The site of the account, such as datadoghq.eu."""
    url: OptionalUrl = ""
    """URL of the events, in place of the site's."""
    tags: tuple[str, ...] = ()
    """Tags of each event, such as `team:ml`."""

    @property
    def address(self) -> str:
        """The URL of the events."""
        return self.url or f"https://api.{self.site}/api/v1/events"


class DatadogEvents:
    """Posts one event for each notification."""

    name = "datadog"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=10, per_second=2.0)
    actions = PAGES | {Action.CHANGE}

    def __init__(self, settings: DatadogEventSettings) -> None:
        self._settings = settings
        self._http = Http("Datadog", settings.route)

    def send(self, notification: Notification) -> str:
        """Post one event."""
        headers = {
            "Content-Type": "application/json",
            "DD-API-KEY": self._settings.api_key.get_secret_value(),
        }
        body = msgspec.json.encode(event(notification, self._settings.tags))
        answer = self._http.post(self._settings.address, body, headers)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def event(notification: Notification, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body of an event, within all limits of the API."""
    notification = printable(notification)
    is_end = notification.action is Action.RESOLVE
    moment = (notification.ended_at if is_end else None) or notification.started_at
    newest = max(notification.said_at, moment)
    labels = {
        "service": "watchkeeper",
        "action": notification.action.value,
        "severity": notification.severity,
        "client": notification.client,
        "model": notification.model,
        "environment": notification.environment,
        "alert": notification.alert,
    }
    shown = [f"{name}:{one_line(value)}" for name, value in labels.items() if value]
    text = headline(notification) if notification.is_small else "\n".join(lines(notification))
    return {
        "title": shortened(_quiet(headline(notification)), LONGEST_TITLE) or "Watchkeeper",
        "text": _quiet(text)[:LONGEST_TEXT],
        "date_happened": int(moment if newest - moment < OLDEST else newest),
        "alert_type": "success" if is_end else _TYPES.get(notification.severity, "info"),
        "priority": "normal" if notification.severity == "critical" else "low",
        "aggregation_key": hashlib.sha256(notification.key.encode()).hexdigest(),
        "source_type_name": "my_apps",
        "tags": [tag[:LONGEST_TAG] for tag in (*shown, *tags)],
    }


def _quiet(text: str) -> str:
    """Text that mentions nobody (`@name`) and is no Markdown (`%%%`)."""
    return text.replace("%%", "%\u200b%").replace("@", "@\u200b")
