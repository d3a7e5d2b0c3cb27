"""Keys that sign what a browser carries for us, shared by all daemons of a database."""

import secrets

from sqlalchemy import Column, Connection, LargeBinary, String, Table, select

from monitor.store.db import metadata
from monitor.store.rows import blob
from monitor.store.statements import insert_new

SIGNING_KEYS = Table(
    "signing_keys",
    metadata,
    Column("purpose", String(32), primary_key=True),
    Column("secret", LargeBinary(32), nullable=False),
)


def find(connection: Connection, purpose: str) -> bytes | None:
    """The key for a purpose; None if it was not made yet."""
    row = connection.execute(select(SIGNING_KEYS.c.secret).where(SIGNING_KEYS.c.purpose == purpose)).first()
    return None if row is None else blob(row.secret)


def made(connection: Connection, purpose: str) -> bytes:
    """The key for a purpose, made if there is none."""
    insert_new(
        connection, SIGNING_KEYS, [{"purpose": purpose, "secret": secrets.token_bytes(32)}], ("purpose",)
    )
    key = find(connection, purpose)
    assert key is not None
    return key
