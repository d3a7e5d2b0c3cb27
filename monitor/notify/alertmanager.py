"""A Prometheus Alertmanager (API v2): then it, not we, groups, silences and talks to PagerDuty.

Alertmanager forgets an alert unless it is sent again, so an open one goes out every minute, ending four
minutes ahead, as Prometheus does. All peers of a cluster are told.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from monitor.alerts.notification import Notification
from monitor.notify.channel import PAGES, Rate
from monitor.notify.failure import AttemptError
from monitor.notify.http import Http
from monitor.records import Action
from monitor.settings import Duration, Section


class AlertmanagerSettings(Section):
    """A Prometheus Alertmanager, or all peers of a cluster."""

    urls: tuple[str, ...]
    """The address of each peer, such as http://alertmanager:9093."""
    resend_every: Duration = 60.0
    """How often open alerts are sent again."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""


class Alertmanager:
    """Posts alerts to every peer; it is enough that one takes them, because peers tell each other."""

    name = "alertmanager"
    rate: Rate | None = None
    actions = PAGES

    def __init__(self, settings: AlertmanagerSettings) -> None:
        self._settings = settings
        self._http = Http("Alertmanager", settings.ca_file)
        self.resend_every = settings.resend_every

    def send(self, notification: Notification) -> str:
        """One post to each peer."""
        return self.send_all([notification])

    def send_all(self, notifications: Sequence[Notification]) -> str:
        """One post of several alerts to each peer.

        Raises:
            AttemptError: no peer took them.
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
        return f"taken by {len(self._settings.urls) - len(failures)} of {len(self._settings.urls)} peers"

    def close(self) -> None:
        """Give connections back."""
        self._http.close()


def alert(notification: Notification, resend_every: float) -> dict[str, Any]:
    """An alert as Alertmanager takes it. Its labels are its identity: no value may be among them."""
    labels = {name: value for name, value in notification.labels if name != "alert"}
    annotations = {
        "summary": notification.title,
        "impact": notification.impact,
        "reason": notification.reason,
    }
    runbook = next((link.href for link in notification.links if link.text == "Runbook"), "")
    moment = max(notification.said_at, notification.started_at)
    is_over = notification.action is Action.RESOLVE
    ends = (notification.ended_at or moment) if is_over else moment + 4 * max(resend_every, 60.0)
    ends = max(ends, notification.started_at + 0.001)  # refused otherwise, and a clock may be set back
    return {
        "labels": {"alertname": notification.alert, **labels},
        "annotations": {name: text for name, text in annotations.items() if text}
        | ({"runbook_url": runbook} if runbook else {}),
        "startsAt": _rfc3339(notification.started_at),
        "endsAt": _rfc3339(ends),
    }


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
