"""The outbox: deliveries, in order per key, claimed by leases; and a receipt for each attempt."""

import secrets
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from monitor.config.units import DAY
from monitor.errors import DamageError
from monitor.records import Action, Delivery, Receipt, Status
from monitor.store.checksums import seal, unseal
from monitor.store.db import faults_of, metadata
from monitor.store.rows import blob, moment, whole_number, words, write_each
from monitor.store.statements import insert_or_skip

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

ANY_PRIORITY = 99
"""As a limit: deliveries of every priority."""
LONGEST_WAIT = 900.0
"""The longest wait before a retry, in seconds."""
FARTHEST_OPENING = 10.0 * DAY
"""The longest wait for office hours, in seconds. A longer wait comes from a wrong clock or a damaged row."""
_MOST_ASKED = 500
_WAITING = (Status.PENDING.value, Status.LEASED.value)


def add(connection: Connection, deliveries: Iterable[Delivery]) -> None:
    """Add deliveries; those whose channel, key and sequence are stored already are skipped."""
    rows = [_row(delivery) for delivery in deliveries]
    writing = insert_or_skip(connection.dialect.name, outbox)
    write_each(connection, writing, rows, "outbox", lambda row: f"{row['channel']} {row['key']}")


def last_sequences(
    connection: Connection, conversations: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """The newest stored sequence of each of these (channel, key) pairs; pairs without one are left out."""
    wanted, sequences = set(conversations), {}
    keys = sorted({key for _, key in wanted})
    query = select(outbox.c.channel, outbox.c.key, func.max(outbox.c.sequence))
    for at in range(0, len(keys), _MOST_ASKED):
        some = query.where(
            outbox.c.channel.in_({channel for channel, _ in wanted}),
            outbox.c.key.in_(keys[at : at + _MOST_ASKED]),
        )
        for channel, key, last in connection.execute(some.group_by(outbox.c.channel, outbox.c.key)):
            if (channel, key) in wanted:
                sequences[channel, key] = whole_number(last)
    return sequences


@cache
def _next_due() -> Select[Any]:
    """The next due delivery of a channel. Built once: each channel asks every second."""
    earlier = outbox.alias("earlier")
    blocked = exists().where(
        earlier.c.channel == outbox.c.channel,
        earlier.c.key == outbox.c.key,
        earlier.c.sequence < outbox.c.sequence,
        earlier.c.status.in_(_WAITING),
    )
    now: BindParameter[float] = bindparam("now", type_=outbox.c.not_before.type)
    # The second parts are for a clock that was set back: no lease and no retry is that far ahead.
    is_late = or_(
        outbox.c.not_before <= now,
        and_(outbox.c.attempts > 0, outbox.c.not_before > bindparam("latest_retry")),
        outbox.c.not_before > bindparam("latest_opening"),
    )
    is_free = or_(outbox.c.leased_until <= now, outbox.c.leased_until > bindparam("latest_lease"))
    is_pending, is_leased = outbox.c.status == Status.PENDING.value, outbox.c.status == Status.LEASED.value
    query = select(outbox).where(
        outbox.c.channel == bindparam("channel_"),
        outbox.c.priority <= bindparam("lowest"),
        or_(and_(is_pending, is_late), and_(is_leased, is_free)),
        ~blocked,
    )
    return query.order_by(outbox.c.priority, outbox.c.id).limit(1).with_for_update(skip_locked=True)


def claim(
    connection: Connection,
    channel: str,
    now: float,
    lease_seconds: float,
    lowest_priority: int = ANY_PRIORITY,
) -> Delivery | None:
    """Claim the next due delivery of a channel: lowest priority number first, then oldest, in order per key; none
    above `lowest_priority`. None if nothing is due.

    After the lease ends, another worker may claim it again. From now on it counts as possibly sent, whatever happens
    to this process.
    """
    given = {
        "channel_": channel,
        "lowest": lowest_priority,
        "now": now,
        "latest_retry": now + LONGEST_WAIT,
        "latest_opening": now + FARTHEST_OPENING,
        "latest_lease": now + 2 * lease_seconds,
    }
    lease = secrets.token_hex(8)
    while (row := connection.execute(_next_due(), given).first()) is not None:
        this, claimed = outbox.c.id == row.id, None
        with faults_of(connection).isolate("outbox", f"{row.channel} {row.key}"):
            delivery = _delivery(row, lease)
            lease_values = {
                "status": Status.LEASED.value,
                "lease": lease,
                "leased_until": now + lease_seconds,
            }
            connection.execute(
                update(outbox).where(this).values(**lease_values, attempts=row.attempts + 1, maybe_sent=True)
            )
            claimed = delivery
        if claimed is not None:
            return claimed
        connection.execute(update(outbox).where(this).values(status=Status.DEAD.value))
    return None


def renew(connection: Connection, delivery: Delivery, now: float, lease_seconds: float) -> bool:
    """Renew the lease of a claimed delivery; False if it was lost to another process."""
    mine = (
        outbox.c.id == delivery.id,
        outbox.c.lease == delivery.lease,
        outbox.c.status == Status.LEASED.value,
    )
    statement = update(outbox).where(*mine).values(leased_until=now + lease_seconds)
    return connection.execute(statement).rowcount > 0


def settle(
    connection: Connection,
    delivery: Delivery,
    status: Status,
    not_before: float = 0.0,
    body: bytes | None = None,
) -> bool:
    """Record the outcome of a claimed delivery; False if the lease was lost to another process."""
    values: dict[str, object] = {"status": status.value, "not_before": not_before, "lease": ""}
    if body is not None:
        values["body"] = seal(body)
    statement = update(outbox).where(outbox.c.id == delivery.id, outbox.c.lease == delivery.lease)
    return connection.execute(statement.values(**values)).rowcount > 0


def mark_sent(connection: Connection, channel: str, key: str, sequence: int) -> bool:
    """Record that a delivery was sent without the outbox; False if that is recorded already."""
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
    """Withdraw the deliveries of a key below a sequence that were never attempted; the number of rows."""
    statement = update(outbox).where(
        outbox.c.channel == channel,
        outbox.c.key == key,
        outbox.c.sequence < before,
        outbox.c.status == Status.PENDING.value,
    )
    return connection.execute(statement.values(status=Status.SUPERSEDED.value)).rowcount


def conversation(connection: Connection, channel: str, key: str) -> list[Delivery]:
    """All deliveries under a key, in order."""
    query = select(outbox).where(outbox.c.channel == channel, outbox.c.key == key).order_by(outbox.c.sequence)
    return _deliveries(connection, query)


def about(connection: Connection, fingerprint: str, episode: int) -> list[Delivery]:
    """All deliveries for one episode of the alert that opened a conversation, in order."""
    mine = (outbox.c.fingerprint == fingerprint, outbox.c.episode == episode)
    query = select(outbox).where(*mine).order_by(outbox.c.id)
    return _deliveries(connection, query)


def waiting(connection: Connection) -> list[Delivery]:
    """Deliveries that have not been sent yet, oldest first."""
    query = select(outbox).where(outbox.c.status.in_(_WAITING)).order_by(outbox.c.id)
    return _deliveries(connection, query)


def next_due(connection: Connection) -> float | None:
    """When the next delivery is due, in seconds since the epoch; None if none waits."""
    pending = select(func.min(outbox.c.not_before)).where(outbox.c.status == Status.PENDING.value)
    leased = select(func.min(outbox.c.leased_until)).where(outbox.c.status == Status.LEASED.value)
    moments = [connection.execute(query).scalar() for query in (pending, leased)]
    return min((moment for moment in moments if moment is not None), default=None)


def oldest_due(connection: Connection, now: float, priority: int = ANY_PRIORITY) -> float | None:
    """When the oldest due delivery of this priority or a more urgent one was added; None if there is none."""
    query = select(func.min(outbox.c.created_at)).where(
        outbox.c.status.in_(_WAITING), outbox.c.not_before <= now, outbox.c.priority <= priority
    )
    oldest: float | None = connection.execute(query).scalar()
    return oldest


def lengths(connection: Connection) -> dict[str, int]:
    """The number of waiting deliveries, by channel."""
    query = (
        select(outbox.c.channel, func.count()).where(outbox.c.status.in_(_WAITING)).group_by(outbox.c.channel)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def add_receipt(connection: Connection, receipt: Receipt) -> None:
    """Store the receipt of an attempt."""
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


def receipts_of(connection: Connection, deliveries: Sequence[int]) -> dict[int, list[Receipt]]:
    """What channels answered to these deliveries, by their id, in order of time."""
    by_delivery: dict[int, list[Receipt]] = {}
    faults = faults_of(connection)
    for at in range(0, len(deliveries), _MOST_ASKED):
        query = select(receipts).where(receipts.c.delivery.in_(deliveries[at : at + _MOST_ASKED]))
        for row in connection.execute(query.order_by(receipts.c.id)):
            with faults.isolate("outbox", f"receipt {row.id}"):
                one = Receipt(
                    whole_number(row.delivery), moment(row.at), words(row.outcome), words(row.detail), row.code,
                    moment(row.seconds),
                )  # fmt: skip
                by_delivery.setdefault(one.delivery, []).append(one)
    return by_delivery


def outcomes(connection: Connection) -> dict[tuple[str, str], int]:
    """The number of attempts by (channel, outcome)."""
    joined = outbox.join(receipts, receipts.c.delivery == outbox.c.id)
    query = select(outbox.c.channel, receipts.c.outcome, func.count()).select_from(joined)
    return {
        (row[0], row[1]): row[2]
        for row in connection.execute(query.group_by(outbox.c.channel, receipts.c.outcome))
    }


def delete_before(connection: Connection, moment: float) -> int:
    """Delete settled deliveries older than `moment`, with their receipts; the number of deliveries."""
    old = and_(outbox.c.created_at < moment, outbox.c.status.not_in(_WAITING))
    connection.execute(delete(receipts).where(receipts.c.delivery.in_(select(outbox.c.id).where(old))))
    return connection.execute(delete(outbox).where(old)).rowcount


def _deliveries(connection: Connection, query: Select[Any]) -> list[Delivery]:
    """The deliveries that can be read."""
    faults, readable = faults_of(connection), []
    for row in connection.execute(query):
        with faults.isolate("outbox", f"{row.channel} {row.key}"):
            readable.append(_delivery(row, row.lease))
    return readable


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        "channel": delivery.channel,
        "key": delivery.key,
        "sequence": delivery.sequence,
        "action": delivery.action.value,
        "body": seal(delivery.body),
        "created_at": delivery.created_at,
        "priority": int(delivery.priority),
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
        channel=words(row.channel),
        key=words(row.key),
        sequence=whole_number(row.sequence),
        action=Action(row.action),
        body=_body(blob(row.body)),
        created_at=moment(row.created_at),
        priority=whole_number(row.priority),
        not_before=moment(row.not_before),
        status=Status(row.status),
        attempts=whole_number(row.attempts),
        maybe_sent=bool(row.maybe_sent),
        fingerprint=words(row.fingerprint),
        episode=whole_number(row.episode),
        id=row.id,
        lease=lease,
    )


def _body(stored: bytes) -> bytes:
    """A stored body; empty if it is damaged, which makes its delivery unreadable."""
    try:
        return unseal(stored)
    except DamageError:
        return b""
