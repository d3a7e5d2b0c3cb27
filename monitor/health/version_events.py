"""What happened to the versions of models: released, introduced, taken over, withdrawn; in a client's words.

The pages, digests, service reports and `status` read it here, so that none of them contradicts another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.config.units import DAY, HOUR, format_number
from monitor.health.model_state import ClientIncident
from monitor.health.wording import moment
from monitor.records import Stream
from monitor.store import releases, rollbacks, rollouts
from monitor.store.releases import Release
from monitor.store.rollbacks import Rollback, RollbackState
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep

TOLD_FOR = float(DAY)
"""Seconds for which a page says on top what happened to a version."""
MOST = 20
"""Releases of each stream, and rollbacks of a client for each of its streams, that are read."""
_SAME = 600.0
"""Seconds between an event and the incident, or the other event, that tells the same."""


class EventKind(StrEnum):
    """What happened to a version."""

    RELEASED = "released"
    PROMOTED = "promoted"
    FAILED = "failed"
    """Its rollout ended because it was proven to be worse. Whether the traffic has left is not known."""
    STOPPED = "stopped"
    """Its rollout was stopped without proof."""
    RETURNING = "returning"
    """Its rollback was ordered and accepted; its traffic has not been seen to leave yet."""
    RETURNED = "returned"
    """It was rolled back, and its traffic has left."""

    @property
    def is_withdrawal(self) -> bool:
        """Whether the version before it serves again, or will."""
        return self not in (EventKind.RELEASED, EventKind.PROMOTED)

    @property
    def words(self) -> str:
        """For engineers, after the name of the version."""
        return {
            "released": "was released", "promoted": "was promoted", "failed": "failed: it is worse",
            "stopped": "was stopped", "returning": "is being rolled back", "returned": "was rolled back",
        }[self.value]  # fmt: skip


_RULES = {
    EventKind.FAILED: "RolloutFailed",
    EventKind.RETURNING: "RolledBack",
    EventKind.RETURNED: "RolledBack",
}
"""The rules whose incidents tell the same."""
_ENDS = {
    RolloutState.PROMOTED: EventKind.PROMOTED,
    RolloutState.FAILED: EventKind.FAILED,
    RolloutState.STOPPED: EventKind.STOPPED,
}
_BACK = {RollbackState.CONFIRMED: EventKind.RETURNING, RollbackState.VERIFIED: EventKind.RETURNED}


@dataclass(frozen=True, slots=True)
class VersionEvent:
    """What happened to `version` of a stream at `at` (seconds since the epoch). `other` is the version beside it or
    before it, if that is known; `started` is when a rollout began.
    """

    stream: Stream
    at: float
    kind: EventKind
    version: str
    other: str = ""
    started: float | None = None

    def sentence(self, title: str) -> str:
        """What happened, without the name of the version: it holds whatever happens later."""
        ordered, seen = (
            "Its requests go to the previous version.",
            "The previous version took over all requests.",
        )
        words = {
            EventKind.RELEASED: "a new version was released.",
            EventKind.PROMOTED: "a new version took over all requests.",
            EventKind.FAILED: f"a new version was withdrawn, because it was worse. {ordered}",
            EventKind.STOPPED: f"a new version was withdrawn. {ordered}",
            EventKind.RETURNING: "a rollback to the previous version was ordered.",
            EventKind.RETURNED: f"a new version was withdrawn. {seen}",
        }
        return f"{title}: {words[self.kind]}"

    def detail(self, zone: ZoneInfo, now: float) -> str:
        """Since when a version had been introduced; empty if it was not introduced step by step."""
        if self.started is None:
            return ""
        return f"It was introduced step by step, starting {moment(self.started, zone, now)}."

    def is_covered_by(self, one: ClientIncident) -> bool:
        """Whether an incident has the same content."""
        is_same = one.stream == self.stream and one.rule == _RULES.get(self.kind)
        return is_same and abs(one.started - self.at) <= _SAME


def read(
    connection: Connection, client: str, streams: Iterable[Stream], since: float, now: float
) -> list[VersionEvent]:
    """What happened to the versions of these streams of a client in `[since, now]`, newest first."""
    shown = frozenset(streams)
    ended = rollouts.ended_since(connection, client, since)
    released = [one for recorded in releases.newest(connection, MOST, client).values() for one in recorded]
    back = rollbacks.latest(connection, MOST * max(len(shown), 1), client)
    happened = events(ended, released, back)
    return [one for one in happened if one.stream in shown and since <= one.at <= now]


def events(
    ended: Iterable[tuple[Rollout, RolloutStep]], released: Iterable[Release], back: Iterable[Rollback]
) -> list[VersionEvent]:
    """Releases, ends of rollouts and rollbacks, newest first. Pure.

    A release whose rollout has ended is reported with the rollout, and so is the rollback after a stopped rollout. A
    version that was recorded again is reported once.
    """
    happened = [
        VersionEvent(one.stream, step.at, _ENDS[step.state], one.canary, one.stable, one.started_at)
        for one, step in ended
        if step.state in _ENDS
    ]
    known = {(one.stream, one.version) for one in happened}
    withdrawn = [one for one in happened if one.kind.is_withdrawal]
    for order in back:
        if order.is_real and order.kind == "rollback" and order.state in _BACK:
            one = _of_rollback(order)
            if not any(_is_same(one, other) for other in withdrawn):
                happened.append(one)
                withdrawn.append(one)
    for release in sorted(released, key=lambda one: one.released_at):
        if (release.stream, release.version) not in known:
            known.add((release.stream, release.version))
            happened.append(
                VersionEvent(release.stream, release.released_at, EventKind.RELEASED, release.version)
            )
    return sorted(happened, key=lambda one: -one.at)


def _of_rollback(one: Rollback) -> VersionEvent:
    at = one.ended_at if one.state is RollbackState.VERIFIED else one.answered_at
    return VersionEvent(one.stream, at or one.decided_at, _BACK[one.state], one.version, one.other)


def _is_same(one: VersionEvent, other: VersionEvent) -> bool:
    is_same = (one.stream, one.version) == (other.stream, other.version)
    return is_same and abs(one.at - other.at) <= HOUR


def running_words(version: str, share: float, at: str) -> str:
    """A rollout that is running, for engineers."""
    return f"version {version} is running at {format_number(share)} % since {at}"


def current(
    running: Iterable[tuple[Rollout, RolloutStep]],
    happened: Sequence[VersionEvent],
    titles: Mapping[Stream, str],
    zone: ZoneInfo,
    now: float,
) -> list[str]:
    """One sentence for each model whose versions change or have changed within a day. Pure.

    `running` are the rollouts that run, with their last steps; `happened` are the events, newest first. A release alone
    is shown in the history only.
    """
    last = {one.stream: step for one, step in running}
    sentences = []
    for stream, title in titles.items():
        newest = next((one for one in happened if one.stream == stream), None)
        step = last.get(stream)
        if step is not None and (newest is None or newest.kind is EventKind.RELEASED or newest.at <= step.at):
            sentences.append(_introduced(title, step, zone, now))
        elif newest is not None and newest.kind is not EventKind.RELEASED and now - newest.at <= TOLD_FOR:
            sentences.append(_changed(title, newest, zone, now))
    return sentences


def _introduced(title: str, step: RolloutStep, zone: ZoneInfo, now: float) -> str:
    share, at = f"{format_number(step.share)} %", moment(step.at, zone, now)
    return f"{title}: a new version is being introduced. It has answered {share} of the requests since {at}."


def _changed(title: str, one: VersionEvent, zone: ZoneInfo, now: float) -> str:
    at = moment(one.at, zone, now)
    if one.kind is EventKind.PROMOTED:
        return f"{title}: a new version has answered all requests since {at}."
    if one.kind is EventKind.RETURNING:
        return f"{title}: a new version is being withdrawn (since {at})."
    if one.kind is EventKind.RETURNED:
        return f"{title}: a new version was withdrawn on {at}. The previous version answers all requests."
    return f"{title}: a new version was withdrawn on {at}. Its requests go to the previous version."
