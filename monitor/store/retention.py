"""Deletes old rows from large tables, a few at a time.

The key of each such table begins with a few values (a stream, a length) and continues with a time. Old rows are found
and deleted by that key. A condition on time alone would read the whole table, inside a transaction that all senders of
predictions wait for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select

from monitor.store.db import faults_of, whole

Prefix = tuple[Any, ...]
"""The values at the start of a key."""


@dataclass(frozen=True, slots=True, eq=False)
class Aged:
    """A table whose key is `prefix` followed by `time`, in seconds since the epoch.

    If the prefix has a length, `seconds`, or the row an `end`, the end of a row decides its age. `dependents` are
    columns of other tables that hold the `id` of a row: those rows are deleted with it.
    """

    table: Table
    prefix: tuple[str, ...]
    time: str = "start"
    dependents: tuple[Column[Any], ...] = ()

    def is_old(self, prefix: Prefix, before: float) -> list[ColumnElement[bool]]:
        """The conditions for the rows of a prefix that ended by `before`."""
        before = whole(before, math.floor)
        columns, named = self.table.c, dict(zip(self.prefix, prefix, strict=True))
        conditions = [columns[name] == value for name, value in named.items()]
        conditions.append(columns[self.time] <= before - named.get("seconds", 0))
        return [*conditions, columns.end <= before] if "end" in columns else conditions


def with_old(connection: Connection, aged: Aged, before: float) -> list[Prefix]:
    """The prefixes with rows that ended by `before`, in order."""
    prefixes: list[Prefix] = []
    seen: set[Prefix | None] = set()
    prefix = _first(connection, aged, ())
    while prefix is not None:
        with faults_of(connection).isolate(aged.table.name, f"key {prefix}", in_transaction=True):
            if connection.execute(select(1).where(*aged.is_old(prefix, before)).limit(1)).first():
                prefixes.append(prefix)
        following = _next(connection, aged, prefix)
        if following in seen:  # a damaged key that no query matches: the prefixes after it cannot be reached
            faults_of(connection).report(aged.table.name, f"key {prefix}"[:200], "its key cannot be read")
            break
        seen.add(following)
        prefix = following
    return prefixes


def delete_old(
    connection: Connection, aged: Aged, prefixes: Sequence[Prefix], before: float, most: int = 1000
) -> int:
    """Delete about `most` rows under these prefixes that ended by `before`, oldest first; the number of rows.

    Call it again until it returns 0.
    """
    deleted = 0
    for prefix in prefixes:
        if deleted >= most:
            break
        deleted += _delete(connection, aged, aged.is_old(prefix, before), most - deleted)
    return deleted


def _next(connection: Connection, aged: Aged, prefix: Prefix) -> Prefix | None:
    """The next prefix: one with a larger last value, otherwise a larger value before that, and so on.

    SQLite uses an index only for the first value of a row comparison, and would read all rows from there.
    """
    for depth in reversed(range(len(prefix))):
        following = _first(connection, aged, prefix[:depth], above=prefix[depth])
        if following is not None:
            return following
    return None


def _first(connection: Connection, aged: Aged, same: Prefix, above: Any = None) -> Prefix | None:
    """The first prefix that begins with the values of `same` and continues with one greater than `above`, if given."""
    columns = [aged.table.c[name] for name in aged.prefix]
    where = [column == value for column, value in zip(columns, same, strict=False)]
    if above is not None:
        where.append(columns[len(same)] > above)
    row = connection.execute(select(*columns).where(*where).order_by(*columns).limit(1)).first()
    return None if row is None else tuple(row)


def _delete(connection: Connection, aged: Aged, old: list[ColumnElement[bool]], most: int) -> int:
    time = aged.table.c[aged.time]
    last = connection.scalar(select(time).where(*old).order_by(time).limit(1).offset(most - 1))
    chosen = old if last is None else [*old, time <= last]
    if aged.dependents:
        ids = select(aged.table.c.id).where(*chosen).scalar_subquery()
        for column in aged.dependents:
            connection.execute(delete(column.table).where(column.in_(ids)))
    return connection.execute(delete(aged.table).where(*chosen)).rowcount
