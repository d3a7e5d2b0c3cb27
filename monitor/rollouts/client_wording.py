"""What a client reads about versions: one was released, is being introduced, serves everybody, or was withdrawn."""

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from monitor.config.units import DAY
from monitor.health.wording import moment
from monitor.records import Stream
from monitor.rollouts.plan import percent
from monitor.store.releases import Release
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


@dataclass(frozen=True, slots=True)
class VersionEvent:
    """What happened to a version of a stream at `at`, in a client's words. `is_proven`: it was withdrawn for being
    worse.
    """

    stream: Stream
    at: float
    sentence: str
    detail: str = ""
    is_proven: bool = False


def version_events(
    ended: Iterable[tuple[Rollout, Step]],
    released: Iterable[Release],
    titles: dict[Stream, str],
    zone: ZoneInfo,
    now: float,
) -> list[VersionEvent]:
    """The releases and the ends of rollouts, of the models that a client sees, newest first. Pure.

    A release whose rollout has ended is told by the latter; a version that was recorded again is told once.
    """
    rollouts = [(one, step) for one, step in ended if one.stream in titles]
    told = {(one.stream, one.canary) for one, _ in rollouts}
    events = [_ended(one, step, titles[one.stream], zone, now) for one, step in rollouts]
    for one in sorted(released, key=lambda one: one.released_at):
        if one.stream in titles and (one.stream, one.version) not in told:
            told.add((one.stream, one.version))
            said = f"{titles[one.stream]}: a new version was released."
            events.append(VersionEvent(one.stream, one.released_at, said))
    return sorted(events, key=lambda one: -one.at)


def _ended(rollout: Rollout, last: Step, title: str, zone: ZoneInfo, now: float) -> VersionEvent:
    since = f"It was introduced step by step from {moment(rollout.started_at, zone, now)} on."
    if last.state is RolloutState.PROMOTED:
        said = f"{title}: a new version answers all requests."
        return VersionEvent(rollout.stream, last.at, said, since)
    is_proven = last.state is RolloutState.FAILED
    why = ", because it was worse" if is_proven else ""
    said = f"{title}: a new version was withdrawn{why}. The version before it answers all requests."
    return VersionEvent(rollout.stream, last.at, said, since, is_proven)
