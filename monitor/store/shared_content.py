"""Content that rows of many streams refer to by its hash: stored once, and written again if it is damaged."""

from sqlalchemy import Connection, Table, bindparam, select

from monitor.store.prepared_statements import Prepared, prepared_upsert


class SharedContent:
    """A table with the columns `id`, the hash of the content, and `blob`, the content."""

    def __init__(self, table: Table) -> None:
        columns = table.c
        self._find = Prepared(select(columns.blob).where(columns.id == bindparam("id")), ("id",))
        self._put = prepared_upsert(table, ("id",))

    def put(self, connection: Connection, identity: str, content: bytes) -> None:
        """Insert the content, unless it is stored already.

        What is stored is compared, so that a damaged row of one stream does not stop the next one.
        """
        stored = self._find.row(connection, {"id": identity})
        if stored is None or stored[0] != content:
            self._put.run_for_each(connection, [{"id": identity, "blob": content}])
