"""The summary of a drift incident for a page: the strongest change, the other columns and the likeliest causes."""

from collections.abc import Sequence

from monitor.drift.decision.decide import quiet_windows
from monitor.drift.decision.verdict import DriftVerdict, between
from monitor.store.drift import StoredDriftIncident

ALL = "all columns"
CAUSES = "Likeliest causes:"


def page(incident: StoredDriftIncident, latest: Sequence[DriftVerdict]) -> str:
    """An open incident in one line, from its stored reason and the verdicts of the last window."""
    lines = incident.reason.split("\n")
    causes = lines[lines.index(CAUSES) + 1 :] if CAUSES in lines else []
    return "; ".join(
        [*_moved(incident, latest), *([f"{CAUSES.lower()} {'; '.join(causes)}"] if causes else [])]
    )


def _moved(incident: StoredDriftIncident, latest: Sequence[DriftVerdict]) -> list[str]:
    """The strongest column in words, and the names of the others that joined."""
    alarmed = [one for one in latest if one.significant]
    window = latest[-1].window if latest else None
    if not alarmed:
        return [
            f"the change {between(incident.since, incident.earliest, incident.latest)} has faded: the incident closes "
            f"after {quiet_windows(window.seconds) if window else 'some'} quiet windows"
        ]
    lead = max(alarmed, key=lambda one: (one.role is not None, one.evidence / one.limit))
    others = [name.removeprefix("features.") for name in incident.columns if name not in (lead.column, ALL)]
    return [lead.reason, *([f"also moved: {', '.join(others)}"] if others else [])]
