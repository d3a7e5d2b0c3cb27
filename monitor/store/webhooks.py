"""Which webhook deliveries were seen, so that a repeated one changes nothing."""

from sqlalchemy import Column, Connection, Float, String, Table, delete

from monitor.store.db import metadata
from monitor.store.upsert import insert_new

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("seen_at", Float, nullable=False, index=True),
)


def is_new(connection: Connection, identity: str, now: float) -> bool:
    """Note a delivery; False where it was noted before."""
    return bool(insert_new(connection, webhooks, [{"id": identity[:128], "seen_at": now}], ["id"]))


def delete_before(connection: Connection, moment: float) -> int:
    """Forget deliveries that were seen before `moment`; how many there were."""
    return connection.execute(delete(webhooks).where(webhooks.c.seen_at < moment)).rowcount
