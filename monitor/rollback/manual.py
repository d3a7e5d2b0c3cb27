"""What a person asks for: a rollback at once, a stop of all rollbacks, and its end."""

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from monitor.errors import InputError, NotFoundError
from monitor.records import Stream
from monitor.rollback import traffic
from monitor.rollback.comparison import LOOKBACK, shown
from monitor.rollback.decision import newest_of, not_live, other_than
from monitor.rollback.executors.registry import kind_of
from monitor.rollback.kill_switch import stopped
from monitor.rollback.order import VALID, OrderKind, identity
from monitor.rollback.planner import CHANNEL, MANUAL, delivery_of, order_of
from monitor.rollback.settings import RollbackSettings
from monitor.store import advisory_locks, audit, model_versions, outbox, rollback_stops, rollbacks
from monitor.store.audit import AuditEntry
from monitor.store.model_versions import Version
from monitor.store.rollback_stops import RollbackStop
from monitor.store.rollbacks import Rollback, RollbackState

LONGEST_COMMENT = 1000
SENT_AGAIN_WITHIN = 10.0
"""Seconds in which the same stop of the same person is the one that was sent before."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, from where, and why."""

    name: str
    address: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """What a person asks for. Empty versions are the newest one, and the other one that answered last."""

    kind: OrderKind = "rollback"
    version: str = ""
    other: str = ""


def order_now(
    connection: Connection,
    stream: Stream,
    requested: RollbackRequest,
    settings: RollbackSettings,
    person: Requester,
    stop_file: Path,
    base_seconds: int,
    now: float,
) -> Rollback:
    """Store an order of a person; the daemon carries it out. A cool-down does not hold it, a kill switch does.

    Raises:
        NotFoundError: the model has no versions.
        InputError: nothing can be rolled back, with the reason.
    """
    advisory_locks.lock(connection, "rollbacks", str(stream))
    versions = model_versions.of(connection, stream)
    newest = newest_of(versions)
    if newest is None:
        raise NotFoundError(f"no versions of {stream}", hint="check that it sends predictions with a version")
    version = requested.version or newest.version
    other = requested.other or _other(version, versions)
    _ensure_possible(connection, stream, version, settings, stop_file, now)
    if other == version or (requested.kind == "rollback" and not other):
        raise InputError(f"there is no other version than {shown(version)} to go back to")
    trigger = f"{MANUAL} {int(now * 1000)}"
    figures = traffic.load(connection, stream, (), base_seconds, now - LOOKBACK, now)
    row = Rollback(
        stream, version, trigger, "on", identity(stream, version, trigger, "on"), requested.kind, RollbackState.DECIDED,
        kind_of(settings.executor), other, person.comment[:LONGEST_COMMENT] or "ordered by hand", person.name, now,
        share_before=figures.share(version, now - LOOKBACK, now),
    )  # fmt: skip
    rollbacks.add(connection, row)
    outbox.add(connection, [delivery_of(order_of(row), CHANNEL)])
    _note(connection, person, stream, f"{requested.kind} of version {shown(version)}", now)
    return row


def stop(connection: Connection, stream: Stream | None, person: Requester, now: float) -> None:
    """Stop rollbacks of a stream, or of all. The same stop, sent twice within seconds, is stored once."""
    wanted = RollbackStop(stream, now, person.name, person.comment[:LONGEST_COMMENT])
    advisory_locks.lock(connection, "stops of rollbacks")
    for one in rollback_stops.in_force(connection):
        if abs(now - one.at) < SENT_AGAIN_WITHIN and replace(one, at=now) == wanted:
            return
    rollback_stops.add(connection, wanted)
    _note(connection, person, stream, "stop rollbacks", now)


def resume(connection: Connection, stream: Stream | None, person: Requester, now: float) -> int:
    """End the stops of a stream, or those of all; how many there were."""
    ended = rollback_stops.resume(connection, stream, now, person.name)
    if ended:
        _note(connection, person, stream, "resume rollbacks", now)
    return ended


def _ensure_possible(
    connection: Connection,
    stream: Stream,
    version: str,
    settings: RollbackSettings,
    stop_file: Path,
    now: float,
) -> None:
    if settings.executor is None:
        raise InputError(
            f"no executor is configured for {stream}",
            hint=f"to do it by hand: watchkeeper rollback plan {stream}",
        )
    if why := stopped(stream, rollback_stops.in_force(connection), stop_file):
        raise InputError(why, hint=f"end it first: watchkeeper rollback resume, or resume {stream}")
    if why := not_live(version, model_versions.of(connection, stream), now):
        raise InputError(why, hint="only the newest version can be rolled back, while it is still answering")
    under_way = (RollbackState.DECIDED, RollbackState.SENT, RollbackState.CONFIRMED)
    for one in rollbacks.of_stream(connection, stream, limit=20):
        is_recent = abs(now - one.decided_at) < VALID
        if one.is_real and one.version == version and one.state in under_way and is_recent:
            raise InputError(f"order {one.id} for version {shown(version)} is under way: it is {one.state}")


def _other(version: str, versions: list[Version]) -> str:
    other = other_than(version, versions)
    return other.version if other is not None else ""


def _note(connection: Connection, person: Requester, stream: Stream | None, what: str, now: float) -> None:
    target = f"{what} {stream}" if stream else f"{what} of all models"
    client = stream.client if stream else ""
    audit.add(
        connection, [AuditEntry(now, person.name[:256], person.address, "change", client, target[:512], 200)]
    )
