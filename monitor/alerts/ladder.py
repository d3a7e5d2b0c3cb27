"""When the pager fails: which other way is taken, and when. Pure.

The breaker opens only toward another way, never toward silence: the pager itself goes on being tried.
"""

from dataclasses import dataclass
from enum import IntFlag

from monitor.alerts.settings import Fallback
from monitor.durations import format_duration
from monitor.store.incidents import Incident

PAGERS = frozenset(("pagerduty", "alertmanager"))
"""Channels that wake people, and whose failure is therefore backed up."""


class Rung(IntFlag):
    """How far the ladder was climbed for an incident; each rung is taken once."""

    UNACCEPTED = 1
    UNCONFIRMED = 2
    ALL_HANDS = 4
    UNACKNOWLEDGED = 8


@dataclass(frozen=True, slots=True)
class Climb:
    """One rung to take now: whom to tell, and why."""

    rung: Rung
    everybody: bool
    why: str


def climb(incident: Incident, settings: Fallback, *, is_confirming: bool, now: float) -> list[Climb]:
    """The rungs that are due for a critical incident of a pager. `is_confirming`: its webhooks come in."""
    if incident.severity != "critical" or incident.channel not in PAGERS:
        return []
    if incident.dismissed_at is not None:
        return []  # a person has seen it
    waited = now - incident.opened_at
    due: list[Climb] = []
    if incident.accepted_at is None:
        if incident.refused_at is not None or waited >= settings.unaccepted_after:
            refused = "refused" if incident.refused_at is not None else "has not taken"
            why = f"{incident.channel} {refused} this page ({format_duration(round(waited))})"
            due.append(Climb(Rung.UNACCEPTED, False, why))
        if waited >= settings.all_hands_after:
            why = f"{incident.channel} has not taken this page for {format_duration(round(waited))}"
            due.append(Climb(Rung.ALL_HANDS, True, why))
    elif is_confirming and incident.acknowledged_at is None:
        taken = now - incident.accepted_at
        if incident.confirmed_at is None and taken >= settings.unconfirmed_after:
            why = f"{incident.channel} took this page and opened no incident"
            due.append(Climb(Rung.UNCONFIRMED, False, why))
        if waited >= settings.unacknowledged_after:
            why = f"nobody has taken this page for {format_duration(round(waited))}"
            due.append(Climb(Rung.UNACKNOWLEDGED, False, why))
    return [one for one in due if not incident.steps & one.rung]
