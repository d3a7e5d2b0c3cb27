"""PagerDuty, Events API v2, through PagerDuty's own client in a form that tries once and never sleeps.

The client's own retries block for minutes (429 without end); ours are rows in the outbox.
"""

import ssl
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pagerduty
from pydantic import Field, field_validator

from monitor.alerts.notification import Notification
from monitor.notify.channel import ATTEMPT_SECONDS, Rate
from monitor.notify.failure import AttemptError, of_status
from monitor.notify.http import failure, retry_after
from monitor.records import Action
from monitor.settings import Secret, Section

LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
LARGEST_EVENT = 512_000 - 12_000
"""PagerDuty refuses events over 512 kB; the rest is for what the client adds."""
SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info"}


class PagerDutySettings(Section):
    """PagerDuty, Events API v2."""

    routing_key: Secret
    """The integration key of a service (Events API v2), 32 characters."""
    clients: dict[str, Secret] = Field(default_factory=dict)
    """Another integration key for some clients."""
    events_url: str = "https://events.pagerduty.com"
    """Where events go; https://events.eu.pagerduty.com for accounts in the EU."""
    ca_file: str = ""
    """A file of certificates to trust instead of the system's."""
    webhook_secrets: tuple[Secret, ...] = ()
    """Secrets of webhook subscriptions (v3) that bring acknowledgements back; two while one is replaced."""
    api_token: Secret | None = None
    """A REST token (read only) to compare open incidents with ours."""
    api_url: str = "https://api.pagerduty.com"
    """Where the REST API is."""

    @field_validator("events_url", "api_url")
    @classmethod
    def _is_https(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.netloc:
            msg = f"{value!r} is not an https:// address"
            raise ValueError(msg)
        return f"https://{parts.netloc}"


class _OnceOnly(pagerduty.EventsApiV2Client):
    """PagerDuty's client with one attempt a call; any status but 202 is an error."""

    def __init__(self, routing_key: str, url: str, verify: ssl.SSLContext) -> None:
        super().__init__(routing_key, base_url=url, verify=verify)
        self.retry.clear()
        self.max_network_attempts = 0
        self.timeout = round(ATTEMPT_SECONDS)

    def postprocess(self, response: httpx2.Response) -> None:
        """Refuse what is not an acceptance."""
        if response.status_code != 202:
            raise of_status("PagerDuty", response.status_code, response.text, retry_after(response))


class PagerDuty:
    """Triggers, acknowledges and resolves incidents under our own keys."""

    name = "pagerduty"
    rate: Rate | None = Rate(burst=20, per_second=1.0)
    actions = frozenset((Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE, Action.CHANGE))

    def __init__(self, settings: PagerDutySettings) -> None:
        verify = ssl.create_default_context(cafile=settings.ca_file or None)
        default = settings.routing_key.get_secret_value()
        keys = {"": default, **{name: key.get_secret_value() for name, key in settings.clients.items()}}
        self._clients = {name: _OnceOnly(key, settings.events_url, verify) for name, key in keys.items()}

    def send(self, notification: Notification) -> str:
        """One event, one attempt."""
        client = self._clients.get(notification.client) or self._clients[""]
        try:
            if notification.action is Action.CHANGE:
                client.send_change_event(**change(notification))
                return "change event accepted"
            answer = client.send_event(**event(notification))
        except pagerduty.Error as error:
            raise _failure(error) from error
        return f"accepted as {answer}"

    def close(self) -> None:
        """Give connections back."""
        for client in self._clients.values():
            client.close()


def event(notification: Notification) -> dict[str, Any]:
    """The arguments of `send_event`: within every limit of the Events API."""
    key = notification.key[:LONGEST_KEY]
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
    wanted: dict[str, Any] = {
        "action": "trigger",
        "dedup_key": key,
        "payload": payload,
        "client": "Watchkeeper",
    }
    if notification.is_small:
        return {"action": "trigger", "dedup_key": key, "payload": _smallest(payload)}
    if notification.links:
        wanted["links"] = [{"href": link.href, "text": link.text} for link in notification.links]
    details = _details(notification)
    if len(str(details).encode()) < LARGEST_EVENT:
        payload["custom_details"] = details
    return wanted


def change(notification: Notification) -> dict[str, Any]:
    """The arguments of `send_change_event`; the client's own time stamp is broken, so it is always given."""
    moment = datetime.fromtimestamp(notification.started_at, UTC).isoformat()
    payload: dict[str, Any] = {
        "summary": notification.title[:LONGEST_SUMMARY],
        "source": notification.source,
        "timestamp": moment,
    }
    if notification.is_small:
        return {"payload": payload}
    payload["custom_details"] = dict(notification.labels)
    links = [{"href": link.href, "text": link.text} for link in notification.links]
    return {"payload": payload, "links": links} if links else {"payload": payload}


def _smallest(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: payload[name] for name in ("summary", "source", "severity", "timestamp")}


def _details(notification: Notification) -> dict[str, Any]:
    """What the person who is woken reads, in the order in which it is needed."""
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
    details["first_checks"] = list(notification.checks)
    if notification.count > 1:
        details |= {"alerts": notification.count, "members": list(notification.members)}
    return {name: value for name, value in details.items() if value not in ("", "-", [])}


def _failure(error: pagerduty.Error) -> AttemptError:
    if error.response is not None:
        response = error.response
        return of_status("PagerDuty", response.status_code, response.text, retry_after(response))
    return failure("PagerDuty", error.__cause__ or error)
