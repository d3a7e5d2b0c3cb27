"""What happened to the versions of a model since the last digest, in one line."""

from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.digest import schedule
from monitor.digest.schedule import Due
from monitor.health import version_events, wording
from monitor.health.settings import ClientSettings
from monitor.health.version_events import EventKind, VersionEvent, running_words
from monitor.records import Stream
from monitor.store import digests, rollouts
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep
from monitor.text_limits import shortened
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
    """The line of a stream, as it was when the digest was due; empty if nothing happened since `start`."""
    happened = version_events.read(connection, stream.client, (stream,), start, due.at)
    return words(rollouts.of_stream(connection, stream), happened, start, due.at, zone)


def words(
    known: Iterable[tuple[Rollout, Sequence[RolloutStep]]],
    happened: Iterable[VersionEvent],
    start: float,
    now: float,
    zone: ZoneInfo,
) -> str:
    """One line, the newest first: rollouts that run at `now`, and events in `(start, now]`. Pure."""
    dated = []
    for rollout, steps in known:
        made = [step for step in steps if step.at <= now]
        if made and made[-1].state is RolloutState.RUNNING:
            dated.append((made[-1].at, _running(rollout, made[-1], now, zone)))
    of_period = [one for one in happened if start < one.at <= now]
    dated += [(one.at, _event(one, now, zone)) for one in of_period]
    lines = [line for _, line in sorted(dated, key=lambda pair: -pair[0])]
    if lines and of_period and dated:
        lines[0] += _who_answers(max(of_period, key=lambda one: one.at), max(at for at, _ in dated))
    more = len(lines) - MOST_NAMED
    return "; ".join((*lines[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])))


def _name(version: str) -> str:
    return shortened(one_line(version), _LONGEST_NAME)


def _running(rollout: Rollout, last: RolloutStep, now: float, zone: ZoneInfo) -> str:
    return running_words(_name(rollout.canary), last.share, wording.moment(last.at, zone, now))


def _event(one: VersionEvent, now: float, zone: ZoneInfo) -> str:
    return f"version {_name(one.version)} {one.kind.words}, {wording.moment(one.at, zone, now)}"


def _who_answers(newest: VersionEvent, last: float) -> str:
    """Which version answers after a withdrawal, if nothing happened since."""
    is_last = newest.at >= last and newest.kind.is_withdrawal and newest.kind is not EventKind.RETURNING
    if not is_last or not newest.other:
        return ""
    verb = "answers all requests" if newest.kind is EventKind.RETURNED else "takes over"
    return f"; version {_name(newest.other)} {verb}"
