"""Messages of others that were received, by their ids: a repeated one changes nothing."""

from sqlalchemy import Column, Connection, Float, String, Table, delete, select

from monitor.store.db import metadata
from monitor.store.statements import insert_new

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("seen_at", Float, nullable=False, index=True),
)


def is_new(connection: Connection, identity: str, now: float) -> bool:
    """Record a delivery; False if it was recorded before."""
    return bool(insert_new(connection, webhooks, [{"id": identity[:128], "seen_at": now}], ["id"]))


def is_known(connection: Connection, identity: str) -> bool:
    """Whether a delivery was recorded."""
    query = select(webhooks.c.id).where(webhooks.c.id == identity[:128])
    return connection.execute(query).first() is not None


def delete_before(connection: Connection, moment: float) -> int:
    """Delete deliveries that were received before `moment`; the number of rows."""
    return connection.execute(delete(webhooks).where(webhooks.c.seen_at < moment)).rowcount
