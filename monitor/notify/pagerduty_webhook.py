"""Incoming PagerDuty webhooks (v3): signature check, parsing, and updates of incidents (acknowledged, resolved)."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from monitor.errors import InputError
from monitor.store import alerts, audit, incidents, webhook_deliveries
from monitor.store.incidents import Incident
from monitor.times.reading import read

CHANNEL = "pagerduty"
_LOOKED_AT = 50
"""Members of an incident whose client is looked up for the audit log."""


@dataclass(frozen=True, slots=True)
class PagerDutyEvent:
    """An event of an incident in PagerDuty. `at` is when it occurred, in seconds since the epoch."""

    id: str
    kind: str
    key: str
    at: float
    who: str


class _Agent(msgspec.Struct):
    summary: str = ""


class _Data(msgspec.Struct):
    incident_key: str | None = None


class _Event(msgspec.Struct):
    id: str
    event_type: str
    occurred_at: str
    data: _Data
    agent: _Agent | None = None


class _Envelope(msgspec.Struct):
    event: _Event


def is_signed(secrets: Sequence[str], header: str, body: bytes) -> bool:
    """Whether the header contains a valid signature of the raw body for any of the secrets.

    During a rotation PagerDuty sends one signature per secret, separated by commas, with or without spaces.
    """
    received = [part.strip() for part in header.split(",") if part.strip()]
    expected = [f"v1={hmac.new(s.encode(), body, hashlib.sha256).hexdigest()}" for s in secrets]
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in received for other in expected]
    return any(matches)


def parse(body: bytes) -> PagerDutyEvent:
    """Parse a webhook.

    Raises:
        InputError: it is not an event of PagerDuty's webhooks v3.
    """
    try:
        event = msgspec.json.decode(body, type=_Envelope).event
        at = read(event.occurred_at).micros / 1e6
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError(f"this is not a PagerDuty event: {error}", hint="use webhooks v3") from error
    who = event.agent.summary if event.agent is not None else ""
    return PagerDutyEvent(event.id, event.event_type, event.data.incident_key or "", at, who)


def apply(connection: Connection, event: PagerDutyEvent, delivery: str, now: float) -> str:
    """Update the incident; the outcome in words. A repeated or outdated event changes nothing."""
    if not webhook_deliveries.is_new(connection, delivery or event.id, now):
        return "already received"
    incident = incidents.get(connection, CHANNEL, event.key, lock=True)
    if incident is None:
        return "unknown incident"
    changed = follow(incident, event, now)
    if changed == incident:
        return "no change"
    incidents.put(connection, [changed])
    note(connection, changed, event.kind, now)
    return f"{event.kind} applied"


def note(connection: Connection, incident: Incident, what: str, now: float) -> None:
    """Enter into the audit log what PagerDuty has changed."""
    members = [alerts.get(connection, fingerprint) for fingerprint, _ in incident.members[:_LOOKED_AT]]
    clients = {member.stream.client for member in members if member is not None}
    client = clients.pop() if len(clients) == 1 else ""
    audit.note(connection, now, "PagerDuty", f"{what}: {incident.key}", client)


def follow(incident: Incident, event: PagerDutyEvent, now: float) -> Incident:
    """The incident after an event. Pure."""
    incident = replace(incident, confirmed_at=incident.confirmed_at or now)
    if event.at < incident.event_at:
        return incident
    if event.kind == "incident.acknowledged":
        return replace(incident, event_at=event.at, acknowledged_at=event.at, acknowledged_by=event.who)
    if event.kind in ("incident.unacknowledged", "incident.reopened"):
        return replace(
            incident, event_at=event.at, acknowledged_at=None, acknowledged_by="", dismissed_at=None
        )
    if event.kind == "incident.resolved":
        dismissed = now if incident.closed_at is None else incident.dismissed_at
        return replace(incident, event_at=event.at, dismissed_at=dismissed)
    return incident
