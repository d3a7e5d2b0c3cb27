"""Reconciliation with PagerDuty: open incidents there are compared with open incidents here.

PagerDuty ignores resolves during its maintenance windows, and webhooks can be lost. The list is read page by page under
one total budget; PagerDuty's own `iter_all` has no deadline and silently stops at 10,000 incidents.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from monitor.notify import pagerduty_webhook
from monitor.notify.channels.pagerduty import PagerDutySettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.http import Http
from monitor.notify.pagerduty_webhook import CHANNEL
from monitor.outgoing import CallBudget
from monitor.records import Action, Delivery, Status
from monitor.store import incidents, outbox
from monitor.store.incidents import Incident

OURS = "watchkeeper:"
PAGE_SIZE = 100
FETCH_SECONDS, MOST_BYTES = 60.0, 64 << 20
"""Limits for all pages together."""
SETTLE_SECONDS = 120.0
"""An incident that was closed more recently may still be in transit."""


class _Listed(msgspec.Struct):
    status: str
    incident_key: str | None = None


class _Page(msgspec.Struct):
    incidents: list[_Listed]
    more: bool | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """An open incident in PagerDuty."""

    key: str
    is_acknowledged: bool


def fetch(settings: PagerDutySettings, http: Http) -> list[Remote]:
    """All open incidents in PagerDuty with our keys.

    Raises:
        AttemptError: PagerDuty cannot be reached, or rejected the request.
    """
    assert settings.api_token is not None
    headers = {"Authorization": f"Token token={settings.api_token.get_secret_value()}"}
    remotes: list[Remote] = []
    budget = CallBudget(FETCH_SECONDS, MOST_BYTES)
    while True:
        query = f"statuses[]=triggered&statuses[]=acknowledged&limit={PAGE_SIZE}&offset={len(remotes)}"
        answer = http.get(f"{settings.api_url}/incidents?{query}", headers, budget)
        try:
            page = msgspec.json.decode(answer.content, type=_Page)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AttemptError(
                f"the list of PagerDuty's incidents is invalid: {error}", FailureKind.UNREACHABLE
            ) from error
        remotes += [Remote(str(i.incident_key), i.status == "acknowledged") for i in page.incidents]
        if not page.more or not page.incidents:
            return [remote for remote in remotes if remote.key.startswith(OURS)]


def settle(connection: Connection, remotes: Iterable[Remote], now: float) -> list[str]:
    """Resend lost resolves, and adopt acknowledgements and manual resolves that were missed; the changed keys."""
    touched = []
    theirs = {remote.key: remote for remote in remotes}
    for key, remote in theirs.items():
        incident = incidents.get(connection, CHANNEL, key, lock=True)
        if incident is not None and incident.closed_at is None:
            after = _adopted(incident, remote, now)
            if after != incident:
                incidents.put(connection, [after])
                pagerduty_webhook.note(connection, after, "acknowledged there", now)
                touched.append(key)
        elif incident is not None and _is_stuck(connection, incident, now):
            outbox.add(connection, [_resolve_again(connection, incident, now)])
            incidents.put(connection, [replace(incident, sequence=incident.sequence + 1)])
            touched.append(key)
    return touched + _resolved_remotely(connection, theirs, now)


def _resolved_remotely(connection: Connection, theirs: Mapping[str, Remote], now: float) -> list[str]:
    """Mark incidents as dismissed that PagerDuty confirmed earlier and does not list as open; their keys."""
    keys = []
    for incident in incidents.load_open(connection, lock=True):
        is_settled = incident.accepted_at is not None and now - incident.accepted_at > SETTLE_SECONDS
        is_missing = incident.channel == CHANNEL and incident.key not in theirs
        if is_settled and is_missing and incident.confirmed_at is not None and incident.dismissed_at is None:
            incidents.put(connection, [replace(incident, dismissed_at=now)])
            pagerduty_webhook.note(connection, incident, "resolved there", now)
            keys.append(incident.key)
    return keys


def _adopted(incident: Incident, remote: Remote, now: float) -> Incident:
    incident = replace(incident, confirmed_at=incident.confirmed_at or now)
    if remote.is_acknowledged and incident.acknowledged_at is None:
        return replace(incident, acknowledged_at=now, acknowledged_by="a user in PagerDuty")
    return incident


def _is_stuck(connection: Connection, incident: Incident, now: float) -> bool:
    deliveries = outbox.conversation(connection, CHANNEL, incident.key)
    is_waiting = any(d.status in (Status.PENDING, Status.LEASED) for d in deliveries)
    return not is_waiting and now - (incident.closed_at or now) > SETTLE_SECONDS


def _resolve_again(connection: Connection, incident: Incident, now: float) -> Delivery:
    deliveries = outbox.conversation(connection, CHANNEL, incident.key)
    last = next(d for d in reversed(deliveries) if d.action is Action.RESOLVE)
    return Delivery(
        CHANNEL,
        incident.key,
        incident.sequence + 1,
        Action.RESOLVE,
        last.body,
        now,
        last.priority,
        fingerprint=last.fingerprint,
        episode=last.episode,
    )
