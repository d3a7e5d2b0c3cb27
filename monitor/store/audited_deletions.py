"""Whose rows a job deletes: one entry of the audit log for each client and run, in the first transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Delete, Select, event, select

from monitor.store import audit
from monitor.store.db import Store
from monitor.store.streams import STREAMS

_UNTOLD = frozenset(("audit", "audit_checkpoints"))
"""Tables whose own retention leaves an anchor; its entries would keep themselves alive."""


class AuditedDeletions:
    """One run of a job that deletes what is past its time. Without an entry in the audit log, nothing is deleted."""

    def __init__(self, store: Store, what: str, now: float) -> None:
        self._store = store
        self._what = what
        self._now = now
        self._noted = {""}

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, as `Store.write`. Its end writes the entries of the clients who have none of this run yet."""
        clients: set[str] = set()

        def look(connection: Connection, statement: Any, *_: Any) -> None:
            if isinstance(statement, Delete) and (query := _clients_of(statement)) is not None:
                clients.update(str(one) for one in connection.scalars(query))

        with self._store.write() as connection:
            event.listen(connection, "before_execute", look)
            try:
                yield connection
            finally:
                event.remove(connection, "before_execute", look)
            for client in sorted(clients - self._noted):
                audit.note(connection, self._now, audit.DAEMON, self._what, client)
        self._noted |= clients


def _clients_of(statement: Delete) -> Select[Any] | None:
    """The clients whose rows a statement deletes; None for tables of no client."""
    table: Any = statement.table
    where = () if statement.whereclause is None else (statement.whereclause,)
    if table.name in _UNTOLD:
        return None
    if "client" in table.c:
        return select(table.c.client).where(*where).distinct()
    if "stream" in table.c:
        streams = select(table.c.stream).where(*where)
        return select(STREAMS.c.client).where(STREAMS.c.id.in_(streams)).distinct()
    return None
