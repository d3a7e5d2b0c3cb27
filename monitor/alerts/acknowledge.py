"""Who has taken an alert: what channels told us about incidents, carried over to their members. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from monitor.records import Alert
from monitor.store.incidents import Incident


def acknowledged(incidents: Iterable[Incident], alerts: Mapping[str, Alert]) -> dict[str, Alert]:
    """The open alerts whose acknowledgement is not what their incidents say, as they are then."""
    taken: dict[str, tuple[float, str]] = {}
    for incident in incidents:
        if incident.closed_at is None and incident.acknowledged_at is not None:
            for fingerprint, episode in incident.members:
                alert = alerts.get(fingerprint)
                if alert is not None and alert.episode == episode:
                    taken[fingerprint] = (incident.acknowledged_at, incident.acknowledged_by)
    changed: dict[str, Alert] = {}
    for fingerprint, alert in alerts.items():
        at, who = taken.get(fingerprint, (None, ""))
        if alert.is_open and alert.acknowledged_at != at:
            changed[fingerprint] = replace(alert, acknowledged_at=at, acknowledged_by=who)
    return changed
