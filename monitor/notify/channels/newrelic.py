"""New Relic: alerts, releases and rollbacks as custom events (Event API), beside the metrics that an exporter sends.

The events are of the type `WatchkeeperEvent`. The API has no key against doubles; `dedupKey`, `action` and
`sequence` are equal in two events of one notification.
"""

import gzip
from typing import Any, Literal

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

LONGEST_VALUE = 4_096
"""Characters of an attribute."""
OLDEST = 1.0 * DAY
"""New Relic drops events of more than two days ago; older ones get the time at which they are sent."""
_HOSTS = {
    "us": "https://insights-collector.newrelic.com",
    "eu": "https://insights-collector.eu01.nr-data.net",
}


class NewRelicEventSettings(ConnectionSettings):
    """New Relic: alerts, releases and rollbacks as custom events."""

    account_id: str = Field(pattern=r"^[0-9]{1,20}$")
    """Number of the account, in quotes."""
    api_key: SecretKey
    """A license key (ingest) of the account."""
    region: Literal["us", "eu"] = "us"
    """The region of the account: `us` or `eu`."""
    url: OptionalUrl = ""
    """URL of the events, in place of the region's."""

    @property
    def address(self) -> str:
        """The URL of the events."""
        return self.url or f"{_HOSTS[self.region]}/v1/accounts/{self.account_id}/events"


class NewRelicEvents:
    """Posts one event for each notification."""

    name = "newrelic"
    seconds = ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=10, per_second=2.0)
    actions = PAGES | {Action.CHANGE}

    def __init__(self, settings: NewRelicEventSettings) -> None:
        self._settings = settings
        self._http = Http("New Relic", settings.route)

    def send(self, notification: Notification) -> str:
        """Post one event."""
        headers = {
            "Api-Key": self._settings.api_key.get_secret_value(),
            "Content-Encoding": "gzip",
            "Content-Type": "application/json",
        }
        body = gzip.compress(msgspec.json.encode([event(notification)]), mtime=0)
        answer = self._http.post(self._settings.address, body, headers)
        return f"answered {answer.status_code}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def event(notification: Notification) -> dict[str, Any]:
    """One event, within all limits of the API. Its names are none of NRQL's reserved words."""
    notification = printable(notification)
    ended = notification.ended_at if notification.action is Action.RESOLVE else None
    moment = ended or notification.started_at
    newest = max(notification.said_at, moment)
    texts = {
        "action": notification.action.value,
        "severity": notification.severity,
        "title": headline(notification),
        "client": notification.client,
        "model": notification.model,
        "environment": notification.environment,
        "alert": notification.alert,
        "current": notification.value,
        "threshold": notification.limit,
        "baseline": notification.baseline,
        "impact": notification.impact,
        "reason": notification.reason,
        "note": notification.note,
        "page": notification.links[0].href if notification.links else "",
        "details": "" if notification.is_small else "\n".join(lines(notification)),
        "dedupKey": notification.key,
    }
    return {
        "eventType": "WatchkeeperEvent",
        "timestamp": int(1000 * (moment if newest - moment < OLDEST else newest)),
        **{name: text[:LONGEST_VALUE] for name, text in texts.items() if text not in ("", "-")},
        "sequence": notification.sequence,
        "alerts": notification.count,
        **({"durationSeconds": max(0.0, ended - notification.started_at)} if ended else {}),
    }
