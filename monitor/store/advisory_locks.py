"""Transactions of all daemons that must not look and write at the same moment, one after the other."""

import hashlib

from sqlalchemy import Connection, func, select

_LOCK = 0x5741_4B45_0000_0000
"""The upper half of the numbers of these locks; those of the audit log and of migrations are others."""


def lock(connection: Connection, *names: str) -> None:
    """Wait until no other transaction holds the lock with these names, and hold it to the end of this one.

    What is read after it is what the others have committed. On SQLite nothing is to be done: it has one writer.
    """
    if connection.dialect.name != "postgresql":
        return
    number = int.from_bytes(hashlib.sha256("\0".join(names).encode()).digest()[:4], "big")
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK | number)))
