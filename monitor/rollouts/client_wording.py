"""What a client reads about rollouts: that a new version is being introduced, serves everybody, or was withdrawn."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from monitor.config.units import DAY
from monitor.health.wording import moment
from monitor.records import Stream
from monitor.rollouts.plan import percent
from monitor.store.rollouts import Rollout, RolloutState, Step

TOLD_FOR = float(DAY)
"""Seconds for which the end of a rollout is told."""


def sentence(title: str, last: Step, zone: ZoneInfo, now: float) -> str:
    """One sentence about a rollout after its last step; empty once it is old."""
    at = moment(last.at, zone, now)
    if last.state is RolloutState.RUNNING:
        share = percent(last.share)
        return f"{title}: a new version is being introduced. It answers {share} of the requests since {at}."
    if now - last.at > TOLD_FOR:
        return ""
    if last.state is RolloutState.PROMOTED:
        return f"{title}: a new version answers all requests since {at}."
    return f"{title}: a new version was withdrawn on {at}. The version before it answers all requests."


def sentences(
    known: Iterable[tuple[Rollout, tuple[Step, ...]]],
    titles: dict[Stream, str],
    zone: ZoneInfo,
    now: float,
) -> list[str]:
    """What there is to tell about the models that a client sees, by stream in `titles`."""
    told = [
        sentence(titles[rollout.stream], steps[-1], zone, now)
        for rollout, steps in known
        if rollout.stream in titles
    ]
    return [line for line in told if line]
