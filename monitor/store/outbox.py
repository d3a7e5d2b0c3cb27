"""The outbox: what is to be told, in order for each key; claimed by a lease; a receipt for each attempt."""

import secrets
from collections.abc import Iterable

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from monitor.records import Action, Delivery, Receipt, Status
from monitor.store.db import metadata

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("channel", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("action", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("maybe_sent", Boolean, nullable=False),
    Column("fingerprint", String(16), nullable=False),
    Column("episode", Integer, nullable=False),
    Column("lease", String(32), nullable=False),
    Column("leased_until", Float, nullable=False),
    UniqueConstraint("channel", "key", "sequence"),
    Index("ix_outbox_due", "status", "channel", "not_before"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("delivery", Integer, nullable=False, index=True),
    Column("at", Float, nullable=False, index=True),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("code", Integer),
    Column("seconds", Float, nullable=False),
)

LONGEST_WAIT = 900.0
"""No retry waits longer than this, in seconds."""
_WAITING = (Status.PENDING.value, Status.LEASED.value)


def add(connection: Connection, deliveries: Iterable[Delivery]) -> None:
    """Put deliveries in; one whose channel, key and sequence are there already is left as it is."""
    rows = [_row(delivery) for delivery in deliveries]
    if rows:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        connection.execute(dialect.insert(outbox).on_conflict_do_nothing(), rows)


def claim(
    connection: Connection, channel: str, now: float, lease_seconds: float, lowest_priority: int = 99
) -> Delivery | None:
    """Take the next due delivery of a channel: lowest priority number first, then oldest, in order per key;
    none above `lowest_priority`.

    It is ours until the lease ends; whoever finds it after that may take it again. From here on it may have
    been sent, whatever happens to this process.
    """
    earlier = outbox.alias("earlier")
    blocked = exists().where(
        earlier.c.channel == outbox.c.channel,
        earlier.c.key == outbox.c.key,
        earlier.c.sequence < outbox.c.sequence,
        earlier.c.status.in_(_WAITING),
    )
    is_pending, is_leased = outbox.c.status == Status.PENDING.value, outbox.c.status == Status.LEASED.value
    # The second half is for a clock that was set back: no lease and no retry is that far ahead.
    is_late = or_(
        outbox.c.not_before <= now, and_(outbox.c.attempts > 0, outbox.c.not_before > now + LONGEST_WAIT)
    )
    is_free = or_(outbox.c.leased_until <= now, outbox.c.leased_until > now + 2 * lease_seconds)
    due = or_(and_(is_pending, is_late), and_(is_leased, is_free))
    query = select(outbox).where(
        outbox.c.channel == channel, outbox.c.priority <= lowest_priority, due, ~blocked
    )
    query = query.order_by(outbox.c.priority, outbox.c.id).limit(1).with_for_update(skip_locked=True)
    row = connection.execute(query).first()
    if row is None:
        return None
    lease = secrets.token_hex(8)
    taken = {"status": Status.LEASED.value, "lease": lease, "leased_until": now + lease_seconds}
    connection.execute(
        update(outbox).where(outbox.c.id == row.id).values(
            **taken, attempts=row.attempts + 1, maybe_sent=True
        )
    )  # fmt: skip
    return _delivery(row, lease)


def settle(
    connection: Connection,
    delivery: Delivery,
    status: Status,
    not_before: float = 0.0,
    body: bytes | None = None,
) -> bool:
    """Record what became of a claimed delivery; False where the lease was lost to another process."""
    values: dict[str, object] = {"status": status.value, "not_before": not_before, "lease": ""}
    if body is not None:
        values["body"] = body
    statement = update(outbox).where(outbox.c.id == delivery.id, outbox.c.lease == delivery.lease)
    return connection.execute(statement.values(**values)).rowcount > 0


def mark_sent(connection: Connection, channel: str, key: str, sequence: int) -> bool:
    """Record that something went out without the outbox; False where that is known already."""
    statement = update(outbox).where(
        outbox.c.channel == channel,
        outbox.c.key == key,
        outbox.c.sequence == sequence,
        outbox.c.status.in_(_WAITING),
    )
    return (
        connection.execute(statement.values(status=Status.SENT.value, lease="", maybe_sent=True)).rowcount > 0
    )


def supersede(connection: Connection, channel: str, key: str, before: int) -> int:
    """Withdraw what waits for a key below a sequence and was never tried."""
    statement = update(outbox).where(
        outbox.c.channel == channel,
        outbox.c.key == key,
        outbox.c.sequence < before,
        outbox.c.status == Status.PENDING.value,
    )
    return connection.execute(statement.values(status=Status.SUPERSEDED.value)).rowcount


def conversation(connection: Connection, channel: str, key: str) -> list[Delivery]:
    """Everything that was to be told under a key, in order."""
    query = select(outbox).where(outbox.c.channel == channel, outbox.c.key == key).order_by(outbox.c.sequence)
    return [_delivery(row, row.lease) for row in connection.execute(query)]


def about(connection: Connection, fingerprint: str, episode: int) -> list[Delivery]:
    """Everything that was to be told about one episode of an alert that opened a conversation, in order."""
    mine = (outbox.c.fingerprint == fingerprint, outbox.c.episode == episode)
    query = select(outbox).where(*mine).order_by(outbox.c.id)
    return [_delivery(row, row.lease) for row in connection.execute(query)]


def waiting(connection: Connection) -> list[Delivery]:
    """What has not been told yet, oldest first."""
    query = select(outbox).where(outbox.c.status.in_(_WAITING)).order_by(outbox.c.id)
    return [_delivery(row, row.lease) for row in connection.execute(query)]


def next_due(connection: Connection) -> float | None:
    """The earliest moment at which something waits to be told."""
    pending = select(func.min(outbox.c.not_before)).where(outbox.c.status == Status.PENDING.value)
    leased = select(func.min(outbox.c.leased_until)).where(outbox.c.status == Status.LEASED.value)
    moments = [connection.execute(query).scalar() for query in (pending, leased)]
    return min((moment for moment in moments if moment is not None), default=None)


def oldest_due(connection: Connection, now: float, priority: int = 9) -> float | None:
    """When the longest waiting delivery that is due was put in, of that priority or a more urgent one."""
    query = select(func.min(outbox.c.created_at)).where(
        outbox.c.status.in_(_WAITING), outbox.c.not_before <= now, outbox.c.priority <= priority
    )
    oldest: float | None = connection.execute(query).scalar()
    return oldest


def lengths(connection: Connection) -> dict[str, int]:
    """How many deliveries wait, by channel."""
    query = (
        select(outbox.c.channel, func.count()).where(outbox.c.status.in_(_WAITING)).group_by(outbox.c.channel)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def add_receipt(connection: Connection, receipt: Receipt) -> None:
    """Note what a channel answered."""
    connection.execute(
        insert(receipts).values(
            delivery=receipt.delivery,
            at=receipt.at,
            outcome=receipt.outcome,
            detail=receipt.detail,
            code=receipt.code,
            seconds=receipt.seconds,
        )
    )


def outcomes(connection: Connection) -> dict[tuple[str, str], int]:
    """How many attempts ended how: (channel, outcome) to count."""
    joined = outbox.join(receipts, receipts.c.delivery == outbox.c.id)
    query = select(outbox.c.channel, receipts.c.outcome, func.count()).select_from(joined)
    return {
        (row[0], row[1]): row[2]
        for row in connection.execute(query.group_by(outbox.c.channel, receipts.c.outcome))
    }


def delete_before(connection: Connection, moment: float) -> int:
    """Delete what was settled and is older than `moment`, with its receipts; how many deliveries."""
    old = and_(outbox.c.created_at < moment, outbox.c.status.not_in(_WAITING))
    connection.execute(delete(receipts).where(receipts.c.delivery.in_(select(outbox.c.id).where(old))))
    return connection.execute(delete(outbox).where(old)).rowcount


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "channel": delivery.channel,
        "key": delivery.key,
        "sequence": delivery.sequence,
        "action": delivery.action.value,
        "body": delivery.body,
        "created_at": delivery.created_at,
        "priority": delivery.priority,
        "not_before": delivery.not_before,
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "maybe_sent": delivery.maybe_sent,
        "fingerprint": delivery.fingerprint,
        "episode": delivery.episode,
        "lease": "",
        "leased_until": 0.0,
    }


def _delivery(row: Row[tuple[object, ...]], lease: str) -> Delivery:
    return Delivery(
        channel=row.channel,
        key=row.key,
        sequence=row.sequence,
        action=Action(row.action),
        body=row.body,
        created_at=row.created_at,
        priority=row.priority,
        not_before=row.not_before,
        status=Status(row.status),
        attempts=row.attempts,
        maybe_sent=row.maybe_sent,
        fingerprint=row.fingerprint,
        episode=row.episode,
        id=row.id,
        lease=lease,
    )
