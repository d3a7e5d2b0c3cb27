"""What the tables of waiting content share: `half_calls`, `waiting_calls` and `waiting_runs`.

A row waits for others, and is deleted in the transaction that stores what they make together. Each of the tables has
the columns `received_at` (seconds since the epoch) and `content` (bytes).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, delete, func, select, tuple_

from monitor.store.rows import moment

_KEYS_AT_ONCE = 400


def with_keys(
    connection: Connection, column: Column[str], keys: Iterable[str], *conditions: ColumnElement[bool]
) -> list[Row[Any]]:
    """The rows that have one of these keys in a column, in the order of the keys."""
    wanted, rows = sorted(set(keys)), list[Row[Any]]()
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        matching = column.in_(wanted[at : at + _KEYS_AT_ONCE])
        rows += connection.execute(select(column.table).where(matching, *conditions))
    return rows


def size_of(connection: Connection, table: Table, client: str) -> tuple[int, int]:
    """The number of rows of a client, and their bytes, in a table with the columns `client` and `size`. Those without a
    size are not counted.
    """
    size = table.c.size
    query = select(func.count(), func.coalesce(func.sum(size), 0)).where(table.c.client == client, size > 0)
    count, total = connection.execute(query).one()
    return int(count), int(total)


def delete_keys(connection: Connection, table: Table, keys: Sequence[tuple[str, ...]]) -> int:
    """Delete the rows with these primary keys; the number of those that existed."""
    primary_key, deleted = tuple_(*table.primary_key.columns), 0
    for at in range(0, len(keys), _KEYS_AT_ONCE):
        matching = primary_key.in_(keys[at : at + _KEYS_AT_ONCE])
        deleted += connection.execute(delete(table).where(matching)).rowcount
    return deleted


def delete_before(
    connection: Connection, table: Table, before: float, limit: int
) -> tuple[int, Sequence[Row[Any]]]:
    """Delete at most `limit` rows received before `before`; their number, and the rows without their contents."""
    columns = [column for column in table.columns if column.name != "content"]
    rows = connection.execute(select(*columns).where(table.c.received_at < before).limit(limit)).all()
    names = [column.name for column in table.primary_key.columns]
    keys = [tuple(getattr(row, name) for name in names) for row in rows]
    return delete_keys(connection, table, keys), rows


def received_at(row: Row[Any]) -> float:
    """When a row was received, in seconds since the epoch. A damaged time counts as old."""
    try:
        return moment(row.received_at)
    except ValueError:
        return 0.0


def content_of(row: Row[Any]) -> bytes:
    """The content of a row; empty if it is damaged."""
    return row.content if isinstance(row.content, bytes) else b""
