"""Fallback and escalation: which other channels are notified when a pager fails to deliver a critical page, and when.

Pure. The pager itself is retried all the time; fallback channels are used in addition.
"""

from dataclasses import dataclass
from enum import IntFlag

from monitor.alerts.settings import Fallback
from monitor.config.units import format_duration
from monitor.store.incidents import Incident

PAGERS = frozenset(("pagerduty", "alertmanager", "jsm"))
"""Channels that wake on-call, and therefore need a fallback."""


class FallbackStep(IntFlag):
    """The escalation steps; each is used once per incident (`Incident.steps` holds those already used)."""

    UNACCEPTED = 1
    UNCONFIRMED = 2
    ALL_HANDS = 4
    UNACKNOWLEDGED = 8


@dataclass(frozen=True, slots=True)
class FallbackPlan:
    """One step that is due: notify all other channels (`everybody`) or the fallback channels, and why."""

    step: FallbackStep
    everybody: bool
    why: str


def plan_fallback(
    incident: Incident, settings: Fallback, *, is_confirming: bool, now: float
) -> list[FallbackPlan]:
    """The escalation steps that are due for an incident, counted from when its page may be sent.

    Only critical incidents of a pager have steps. `is_confirming`: the pager's webhooks are received, so missing
    confirmations and acknowledgements mean something.
    """
    if incident.severity != "critical" or incident.channel not in PAGERS:
        return []
    if incident.dismissed_at is not None:
        return []  # a person has resolved it by hand
    waited = now - max(incident.opened_at, incident.due_at)
    if incident.accepted_at is None:
        due = _unaccepted(incident, settings, waited)
    elif is_confirming and incident.acknowledged_at is None:
        due = _unacknowledged(incident, settings, waited, now - incident.accepted_at)
    else:
        due = []
    return [one for one in due if not incident.steps & one.step]


def _unaccepted(incident: Incident, settings: Fallback, waited: float) -> list[FallbackPlan]:
    due = []
    still = f"{incident.channel} has not accepted this page for {format_duration(round(waited))}"
    if incident.refused_at is not None or waited >= settings.unaccepted_after:
        rejected = f"{incident.channel} rejected this page"
        why = still if incident.refused_at is None else rejected
        due.append(FallbackPlan(FallbackStep.UNACCEPTED, False, why))
    if waited >= settings.all_hands_after:
        due.append(FallbackPlan(FallbackStep.ALL_HANDS, True, still))
    return due


def _unacknowledged(
    incident: Incident, settings: Fallback, waited: float, accepted_for: float
) -> list[FallbackPlan]:
    due = []
    if incident.confirmed_at is None and accepted_for >= settings.unconfirmed_after:
        why = f"{incident.channel} accepted this page but opened no incident"
        due.append(FallbackPlan(FallbackStep.UNCONFIRMED, False, why))
    if waited >= settings.unacknowledged_after:
        why = f"not acknowledged for {format_duration(round(waited))}"
        due.append(FallbackPlan(FallbackStep.UNACKNOWLEDGED, False, why))
    return due
