"""Inserts with `ON CONFLICT`, for SQLite and PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table

from monitor.records import Stream

Changes = Callable[[Any], Mapping[str, Any]]
"""A function from the row that was not inserted (SQL's `excluded`) to the new values of the stored row."""


def _insert(dialect: str, table: Table) -> Any:
    """Import one dialect only: SQLAlchemy's dialect for PostgreSQL takes 3 MB, which a process on SQLite saves."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


def is_of_stream(columns: Any, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the rows of a stream, in a table with the columns `client`, `model` and `environment`."""
    return (
        columns.client == stream.client,
        columns.model == stream.model,
        columns.environment == stream.environment,
    )


def insert_or_skip(dialect: str, table: Table) -> Any:
    """An `INSERT` that skips rows whose unique key is taken. `dialect` is `sqlite` or `postgresql`."""
    return _insert(dialect, table).on_conflict_do_nothing()


def upsert(dialect: str, table: Table, key: Sequence[str], changes: Changes | Sequence[str] = ()) -> Any:
    """An `INSERT` that updates the stored row if the unique `key` is taken.

    `changes` are the columns to update (by default all but the key), or a function that returns their new values.
    """
    statement = _insert(dialect, table)
    if callable(changes):
        changed = changes(statement.excluded)
    else:
        names = changes or [column.name for column in table.columns if column.name not in key]
        changed = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)


def insert_new(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Insert rows, skip those whose unique key is taken; the columns `returning` of the inserted rows."""
    if not rows:
        return []
    statement = insert_or_skip(connection.dialect.name, table)
    answer = connection.execute(statement.returning(*(table.c[name] for name in returning)), rows)
    return [tuple(row) for row in answer]


def replace(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert or replace rows, all with the same columns; `key` is unique."""
    if not rows:
        return
    names = [name for name in rows[0] if name not in key]
    connection.execute(upsert(connection.dialect.name, table, key, names), rows)
