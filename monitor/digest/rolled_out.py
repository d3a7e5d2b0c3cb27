"""What was rolled out of a model since the last digest, in one line: promoted, failed, stopped, or still running."""

from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.config.units import DAY, format_number
from monitor.digest import schedule
from monitor.digest.schedule import Due
from monitor.health import wording
from monitor.health.settings import ClientSettings
from monitor.records import Stream
from monitor.store import digests, rollouts
from monitor.store.rollouts import Rollout, RolloutState, Step
from monitor.texts import shortened
from monitor.visible import one_line

MOST_NAMED = 3
_LONGEST_NAME = 60


def since(connection: Connection, client: str, due: Due, settings: ClientSettings) -> float:
    """When the digest of the same kind before `due` was due; if there was none, the length of its period ago."""
    before = digests.last_day(connection, client, due.kind, due.day.isoformat())
    if before is None:
        return due.at - due.days * DAY
    return schedule.moment(date.fromisoformat(before), settings)


def load(connection: Connection, stream: Stream, start: float, due: Due, zone: ZoneInfo) -> str:
    """The line of a stream, as it was when the digest was due; empty if nothing was rolled out since `start`."""
    return words(rollouts.of_stream(connection, stream), start, due.at, zone)


def words(known: Iterable[tuple[Rollout, Sequence[Step]]], start: float, now: float, zone: ZoneInfo) -> str:
    """One line about rollouts, newest first: those that run at `now`, and those that ended in `(start, now]`. Pure."""
    lines = []
    for rollout, steps in known:
        made = [step for step in steps if step.at <= now]
        if made and (made[-1].state is RolloutState.RUNNING or made[-1].at > start):
            lines.append(_one(rollout, made[-1], now, zone))
    more = len(lines) - MOST_NAMED
    return "; ".join((*lines[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])))


def _one(rollout: Rollout, last: Step, now: float, zone: ZoneInfo) -> str:
    new, old = (shortened(one_line(name), _LONGEST_NAME) for name in (rollout.canary, rollout.stable))
    at = wording.moment(last.at, zone, now)
    if last.state is RolloutState.RUNNING:
        return f"version {new} is running at {format_number(last.share)} % since {at}"
    if last.state is RolloutState.PROMOTED:
        return f"version {new} was promoted, {at}"
    why = "failed: it is worse" if last.state is RolloutState.FAILED else "was stopped"
    return f"version {new} {why}, {at}; version {old} answers all requests"
