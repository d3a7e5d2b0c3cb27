"""Acknowledgements: what they cover, and how they reach the alerts. Pure.

A person acknowledges, or closes, what a channel showed at that moment. What joins later is not covered: a channel is
notified of it as if there were no such incident.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from monitor.records import Alert, Severity
from monitor.store.incidents import Incident, Member

SKEW = 5.0
"""Seconds by which the clock of a channel may differ from ours."""
_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}


def is_answered(incident: Incident) -> bool:
    """Whether a person has acknowledged the incident or closed it by hand."""
    return incident.acknowledged_at is not None or incident.dismissed_at is not None


def covered(incident: Incident) -> tuple[Member, ...]:
    """The members that the channel knows of: all of them, or those that it showed when a person answered."""
    answers = [at for at in (incident.acknowledged_at, incident.dismissed_at) if at is not None]
    if not answers:
        return incident.members
    shown = incident.members[: incident.told]
    told_at = incident.told_at or (incident.opened_at,) * len(shown)
    return tuple(one for one, at in zip(shown, told_at, strict=False) if at <= max(answers) + SKEW)


def acknowledged(incidents: Iterable[Incident], alerts: Mapping[str, Alert]) -> dict[str, Alert]:
    """The open alerts whose acknowledgement differs from that of their incidents, updated, by fingerprint.

    The acknowledgement of a warning does not cover its escalation to critical. An alert without an incident keeps its
    own.
    """
    by_alert: dict[str, tuple[float | None, str]] = {}
    for incident in incidents:
        if incident.closed_at is not None:
            continue
        for fingerprint, episode in incident.members:
            alert = alerts.get(fingerprint)
            if alert is not None and alert.episode == episode:
                by_alert.setdefault(fingerprint, (None, ""))
        if incident.acknowledged_at is None:
            continue
        for fingerprint, episode in covered(incident):
            alert = alerts.get(fingerprint)
            if alert is not None and alert.episode == episode and _is_severe_enough(incident, alert):
                by_alert[fingerprint] = (incident.acknowledged_at, incident.acknowledged_by)
    changed: dict[str, Alert] = {}
    for fingerprint, (at, who) in by_alert.items():
        alert = alerts[fingerprint]
        if alert.is_open and alert.acknowledged_at != at:
            changed[fingerprint] = replace(alert, acknowledged_at=at, acknowledged_by=who)
    return changed


def _is_severe_enough(incident: Incident, alert: Alert) -> bool:
    return _RANK.get(incident.severity, 0) <= _RANK[alert.severity.value]
