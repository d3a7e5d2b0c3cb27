"""What PagerDuty holds open against what we hold open: a resolve that was swallowed is sent again.

PagerDuty ignores resolves during its maintenance windows, and a webhook may be lost; so once in a while the
two lists are laid side by side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection

from monitor.notify.http import Http
from monitor.notify.pagerduty import PagerDutySettings
from monitor.notify.pagerduty_events import CHANNEL
from monitor.records import Action, Delivery, Status
from monitor.store import incidents, outbox
from monitor.store.incidents import Incident

OURS = "watchkeeper:"
PAGE_SIZE = 100
SETTLE_SECONDS = 120.0
"""An incident that was closed a moment ago may still be on its way."""


@dataclass(frozen=True, slots=True)
class Remote:
    """An incident that PagerDuty holds open."""

    key: str
    is_acknowledged: bool


def fetch(settings: PagerDutySettings, http: Http) -> list[Remote]:
    """Every open incident of ours over there.

    Raises:
        AttemptError: PagerDuty did not answer, or refused.
    """
    assert settings.api_token is not None
    headers = {"Authorization": f"Token token={settings.api_token.get_secret_value()}"}
    found: list[Remote] = []
    while True:
        query = f"statuses[]=triggered&statuses[]=acknowledged&limit={PAGE_SIZE}&offset={len(found)}"
        answer = http.get(f"{settings.api_url}/incidents?{query}", headers)
        page: dict[str, Any] = msgspec.json.decode(answer.content)
        found += [
            Remote(str(i.get("incident_key")), i["status"] == "acknowledged") for i in page["incidents"]
        ]
        if not page.get("more"):
            return [remote for remote in found if remote.key.startswith(OURS)]


def settle(connection: Connection, remotes: Iterable[Remote], now: float) -> list[str]:
    """Resolve there what is over here, and take over acknowledgements that we missed; the keys touched."""
    touched = []
    theirs = {remote.key: remote for remote in remotes}
    for key, remote in theirs.items():
        incident = incidents.get(connection, CHANNEL, key, lock=True)
        if incident is not None and incident.closed_at is None:
            after = _adopted(incident, remote, now)
            if after != incident:
                incidents.put(connection, [after])
                touched.append(key)
        elif incident is not None and _is_stuck(connection, incident, now):
            outbox.add(connection, [_resolve_again(connection, incident, now)])
            incidents.put(connection, [replace(incident, sequence=incident.sequence + 1)])
            touched.append(key)
    return touched + _unseen(connection, theirs, now)


def _unseen(connection: Connection, theirs: Mapping[str, Remote], now: float) -> list[str]:
    """Incidents of ours that were taken a while ago and are not there: somebody closed them, or none opened."""
    gone = []
    for incident in incidents.load_open(connection, lock=True):
        is_settled = incident.accepted_at is not None and now - incident.accepted_at > SETTLE_SECONDS
        is_missing = incident.channel == CHANNEL and incident.key not in theirs
        if is_settled and is_missing and incident.confirmed_at is not None and incident.dismissed_at is None:
            incidents.put(connection, [replace(incident, dismissed_at=now)])
            gone.append(incident.key)
    return gone


def _adopted(incident: Incident, remote: Remote, now: float) -> Incident:
    incident = replace(incident, confirmed_at=incident.confirmed_at or now)
    if remote.is_acknowledged and incident.acknowledged_at is None:
        return replace(incident, acknowledged_at=now, acknowledged_by="somebody in PagerDuty")
    return incident


def _is_stuck(connection: Connection, incident: Incident, now: float) -> bool:
    said = outbox.conversation(connection, CHANNEL, incident.key)
    is_waiting = any(d.status in (Status.PENDING, Status.LEASED) for d in said)
    return not is_waiting and now - (incident.closed_at or now) > SETTLE_SECONDS


def _resolve_again(connection: Connection, incident: Incident, now: float) -> Delivery:
    said = outbox.conversation(connection, CHANNEL, incident.key)
    last = next(d for d in reversed(said) if d.action is Action.RESOLVE)
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
