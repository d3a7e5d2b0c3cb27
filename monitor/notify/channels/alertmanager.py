"""A Prometheus Alertmanager (API v2), which then groups, silences and pages by its own configuration.

An alert expires in Alertmanager unless it is sent again. As Prometheus does, open alerts are sent every minute with an
end four minutes ahead (`delivery/alertmanager_resend.py`), to all peers of a cluster.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic import field_validator

from monitor.alerts.notification import Notification, printable
from monitor.config.sections import Duration, Secret
from monitor.notify.addresses import web_url
from monitor.notify.channel import ATTEMPT_SECONDS, PAGES, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.records import Action
from monitor.visible import counted


class AlertmanagerSettings(ConnectionSettings):
    """A Prometheus Alertmanager, or all peers of a cluster."""

    urls: tuple[str, ...]
    """URL of each peer, such as http://alertmanager:9093."""
    resend_every: Duration = 60.0
    """Interval at which open alerts are sent again."""

    @field_validator("urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            msg = "needs the URL of at least one peer"
            raise ValueError(msg)
        for url in value:
            web_url(Secret(url))
        return value


class Alertmanager:
    """Posts alerts to every peer. One peer that accepts them is enough."""

    name = "alertmanager"
    rate: RateLimit | None = None
    actions = PAGES

    def __init__(self, settings: AlertmanagerSettings) -> None:
        self._settings = settings
        self._http = Http("Alertmanager", settings.route)
        self.resend_every = settings.resend_every
        self.seconds = ATTEMPT_SECONDS * len(settings.urls)

    def send(self, notification: Notification) -> str:
        """One post to each peer."""
        return self.send_all([notification])

    def send_all(self, notifications: Sequence[Notification]) -> str:
        """One post of several alerts to each peer.

        Raises:
            AttemptError: no peer accepted them.
        """
        resend_every = self._settings.resend_every
        body = msgspec.json.encode([alert(notification, resend_every) for notification in notifications])
        failures: list[AttemptError] = []
        for url in self._settings.urls:
            try:
                address = f"{url.rstrip('/')}/api/v2/alerts"
                self._http.post(address, body, {"Content-Type": "application/json"})
            except AttemptError as failure:
                failures.append(failure)
        if len(failures) == len(self._settings.urls):
            raise failures[0]
        return f"accepted by {len(self._settings.urls) - len(failures)} of {counted(len(self._settings.urls), 'peer')}"

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def alert(notification: Notification, resend_every: float) -> dict[str, Any]:
    """An alert in Alertmanager's JSON. Its labels are its identity, so they contain no measured values."""
    notification = printable(notification)
    labels = {name: value for name, value in notification.labels if name != "alert"}
    annotations = {
        "summary": notification.title,
        "impact": notification.impact,
        "reason": notification.reason,
        "possible_causes": "; ".join(notification.causes),
    }
    runbook = next((link.href for link in notification.links if link.text.startswith("Runbook")), "")
    moment = max(notification.said_at, notification.started_at)
    is_resolved = notification.action is Action.RESOLVE
    ends = (notification.ended_at or moment) if is_resolved else moment + 4 * max(resend_every, 60.0)
    ends = max(ends, notification.started_at + 0.001)  # otherwise rejected; the clock may be set back
    return {
        "labels": {"alertname": notification.alert, **labels},
        "annotations": {name: text for name, text in annotations.items() if text}
        | ({"runbook_url": runbook} if runbook else {}),
        "startsAt": _rfc3339(notification.started_at),
        "endsAt": _rfc3339(ends),
    }


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
