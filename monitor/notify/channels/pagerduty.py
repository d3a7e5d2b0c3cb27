"""PagerDuty, Events API v2: builds events (`dedup_key`, `routing_key`, links) and sends them with PagerDuty's client.

The client's own retries are disabled, because they block for minutes (on 429 without end). Retries are rows of the
outbox instead (`delivery/retry.py`). The `dedup_key` comes from `monitor/alerts/dedup_key.py`.
"""

import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pagerduty
from pydantic import Field, field_validator

from monitor import outgoing
from monitor.alerts.dedup_key import LONGEST_KEY, fitted
from monitor.alerts.notification import Notification, printable
from monitor.config.sections import Secret
from monitor.notify.addresses import SecretKey
from monitor.notify.channel import ATTEMPT_SECONDS, RateLimit
from monitor.notify.connection import ConnectionSettings
from monitor.notify.failure import AttemptError
from monitor.notify.http_failure import from_exception, from_response
from monitor.outgoing.client import DeadlineTransport
from monitor.records import Action
from monitor.visible import one_line

LONGEST_SUMMARY = 1024
LARGEST_EVENT = 512_000 - 12_000
"""Bytes. PagerDuty rejects events over 512 kB; the rest is reserved for what the client adds."""
SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info"}


class PagerDutySettings(ConnectionSettings):
    """PagerDuty, Events API v2."""

    routing_key: SecretKey
    """Integration key of a service (Events API v2), 32 characters."""
    clients: dict[str, SecretKey] = Field(default_factory=dict)
    """Integration keys of single clients."""
    events_url: str = "https://events.pagerduty.com"
    """URL of the Events API; https://events.eu.pagerduty.com for accounts in the EU."""
    webhook_secrets: tuple[Secret, ...] = ()
    """Secrets of webhook subscriptions (v3), which report acknowledgements. Use two during a rotation."""
    api_token: Secret | None = None
    """A read-only REST API token, to compare open incidents."""
    api_url: str = "https://api.pagerduty.com"
    """URL of the REST API."""

    @field_validator("events_url", "api_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.netloc:
            msg = f"{value!r} is not an https:// address"
            raise ValueError(msg)
        return f"https://{parts.netloc}"


class _SingleAttemptClient(pagerduty.EventsApiV2Client):
    """PagerDuty's client with one attempt per call; any status but 202 is an error."""

    def __init__(self, routing_key: str, url: str, transport: httpx2.BaseTransport) -> None:
        super().__init__(routing_key, base_url=url, transport=transport)
        self.retry.clear()
        self.max_network_attempts = 0
        self.timeout = math.ceil(ATTEMPT_SECONDS)

    def postprocess(self, response: httpx2.Response) -> None:
        """Raise unless the event was accepted."""
        if response.status_code != 202:
            raise from_response("PagerDuty", response)


class PagerDuty:
    """Triggers, acknowledges and resolves incidents under dedup keys; sends change events.

    Clients listed in `clients` have their own `routing_key`.
    """

    name = "pagerduty"
    seconds = 2 * ATTEMPT_SECONDS
    rate: RateLimit | None = RateLimit(burst=20, per_second=1.0)
    actions = frozenset((Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE, Action.CHANGE))

    def __init__(self, settings: PagerDutySettings) -> None:
        transport = DeadlineTransport(ATTEMPT_SECONDS, settings.route)
        default = settings.routing_key.get_secret_value()
        keys = {"": default, **{name: key.get_secret_value() for name, key in settings.clients.items()}}
        self._clients = {
            name: _SingleAttemptClient(key, settings.events_url, transport) for name, key in keys.items()
        }

    def send(self, notification: Notification) -> str:
        """Send one event in one attempt; returns the dedup key that PagerDuty accepted.

        Raises:
            AttemptError: PagerDuty did not accept it, or cannot be reached.
        """
        notification = printable(notification)
        client = self._clients.get(notification.client) or self._clients[""]
        try:
            if notification.action is Action.CHANGE:
                client.send_change_event(**change(notification))
                return "change event accepted"
            if notification.action is Action.RESOLVE and len(notification.key) > LONGEST_KEY:
                # Older versions cut such keys instead of using a digest; an incident may be open under the cut key.
                client.send_event("resolve", dedup_key=notification.key[:LONGEST_KEY])
            accepted_key = client.send_event(**event(notification))
        except (pagerduty.Error, *outgoing.FAILURES) as error:
            raise _failure(error) from error
        return f"accepted as {accepted_key}"

    def close(self) -> None:
        """Close connections."""
        for client in self._clients.values():
            client.close()


def event(notification: Notification) -> dict[str, Any]:
    """The arguments of `send_event`, within all limits of the Events API."""
    notification, key = printable(notification), fitted(notification.key)
    if notification.action is not Action.TRIGGER:
        return {"action": notification.action.value, "dedup_key": key}
    payload: dict[str, Any] = {
        "summary": notification.title[:LONGEST_SUMMARY] or notification.alert,
        "source": notification.source,
        "severity": SEVERITIES.get(notification.severity, "error"),
        "timestamp": datetime.fromtimestamp(notification.started_at, UTC).isoformat(),
        "component": notification.model,
        "group": notification.client,
        "class": notification.alert,
    }
    arguments: dict[str, Any] = {
        "action": "trigger",
        "dedup_key": key,
        "payload": payload,
        "client": "Watchkeeper",
    }
    if notification.is_small:
        return {"action": "trigger", "dedup_key": key, "payload": _smallest(payload)}
    if notification.links:
        arguments["links"] = [{"href": link.href, "text": link.text} for link in notification.links]
    details = _details(notification)
    if len(str(details).encode()) < LARGEST_EVENT:
        payload["custom_details"] = details
    return arguments


def change(notification: Notification) -> dict[str, Any]:
    """The arguments of `send_change_event`; always with a timestamp, because the client's default is invalid."""
    notification = printable(notification)
    moment = datetime.fromtimestamp(notification.started_at, UTC).isoformat()
    payload: dict[str, Any] = {
        "summary": notification.title[:LONGEST_SUMMARY],
        "source": notification.source,
        "timestamp": moment,
    }
    if notification.is_small:
        return {"payload": payload}
    reason = {"reason": notification.reason} if notification.reason else {}
    payload["custom_details"] = {**reason, **{name: one_line(value) for name, value in notification.labels}}
    links = [{"href": link.href, "text": link.text} for link in notification.links]
    return {"payload": payload, "links": links} if links else {"payload": payload}


def _smallest(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in ("summary", "source", "severity", "timestamp")}


def _details(notification: Notification) -> dict[str, Any]:
    """`custom_details` of the event, in the order in which on-call needs them."""
    details: dict[str, Any] = {
        "note": notification.note,
        "impact": notification.impact,
        "value": notification.value,
        "limit": notification.limit,
        "baseline": notification.baseline,
        "sample": notification.sample,
        "since": datetime.fromtimestamp(notification.started_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "reason": notification.reason,
    }
    details["possible_causes"] = list(notification.causes)
    details["first_checks"] = [*notification.commands, *notification.checks]
    if notification.count > 1:
        details |= {"alerts": notification.count, "members": list(notification.members)}
    return {name: value for name, value in details.items() if value not in ("", "-", [])}


def _failure(error: Exception) -> AttemptError:
    if isinstance(error, pagerduty.Error) and error.response is not None:
        return from_response("PagerDuty", error.response)
    return from_exception("PagerDuty", error.__cause__ or error)
