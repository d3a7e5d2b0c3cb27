"""The share of time in which agreed targets were met, and in which no model needed attention. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.health import wording
from monitor.health.model_state import ClientIncident, Health
from monitor.health.targets import Standing
from monitor.records import Stream
from monitor.store.targets import TargetPeriod


@dataclass(frozen=True, slots=True)
class Attainment:
    """For how long a target was met, at risk, missed, and unknown, in seconds."""

    metric: str
    target: float
    is_least: bool
    kept: float = 0.0
    at_risk: float = 0.0
    missed: float = 0.0
    unknown: float = 0.0

    @property
    def judged(self) -> float:
        """Seconds in which the standing of the target was known."""
        return self.kept + self.at_risk + self.missed

    @property
    def share(self) -> float | None:
        """The share of the judged time in which it was met; None if it was never judged."""
        return self.kept / self.judged if self.judged else None

    @property
    def words(self) -> str:
        """`97 % of the time (missed for 12 h)`."""
        if self.share is None:
            return "not measured"
        others = [
            f"{name} for {wording.span(seconds)}"
            for name, seconds in (("missed", self.missed), ("perhaps missed", self.at_risk))
            if seconds >= 1
        ]
        shown = "all the time" if self.kept == self.judged else f"{_floored(self.share)} of the time"
        return shown + (f" ({', '.join(others)})" if others else "")


def attained(periods: Sequence[TargetPeriod], start: float, end: float) -> list[Attainment]:
    """One per target and agreed limit, over `[start, end)`. `periods` are those of one stream."""
    seconds_of: dict[tuple[str, float, bool], dict[str, float]] = {}
    for one in periods:
        seconds = min(end, end if one.until is None else one.until) - max(start, one.since)
        if seconds > 0:
            sums = seconds_of.setdefault((one.metric, one.target, one.is_least), {})
            sums[one.standing] = sums.get(one.standing, 0.0) + seconds
    return [
        Attainment(*key, *(sums.get(standing.value, 0.0) for standing in _ORDER))
        for key, sums in sorted(seconds_of.items())
    ]


_ORDER = (Standing.KEPT, Standing.AT_RISK, Standing.MISSED, Standing.UNKNOWN)


def _floored(share: float) -> str:
    """A share that is never rounded up to all of the time."""
    percent = int(share * 1000) / 10
    return f"{percent:.0f} %" if percent == int(percent) else f"{percent:.1f} %"


def within_limits(incidents: Sequence[ClientIncident], models: int, start: float, end: float) -> float | None:
    """The share of time in `[start, end)` in which no model needed attention, averaged over models."""
    if not models or end <= start:
        return None
    broken: dict[Stream, list[tuple[float, float]]] = {}
    for incident in incidents:
        if incident.health is Health.ATTENTION:
            span = (
                max(start, incident.started),
                min(end, incident.ended if incident.ended is not None else end),
            )
            broken.setdefault(incident.stream, []).append(span)
    lost = sum(_covered(spans) for spans in broken.values())
    return max(0.0, 1 - lost / (models * (end - start)))


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
