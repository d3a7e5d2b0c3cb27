"""Deleting what is old from tables that grow with every minute, a little at a time.

Each such table has a key that begins with a few values (a stream, a length) and goes on with a time. What is old is
found and deleted by that key: a condition on time alone would read the whole table, inside the transaction for which
everybody who sends predictions has to wait.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select

from monitor.store.db import whole

Prefix = tuple[Any, ...]
"""The values that a key begins with."""


@dataclass(frozen=True, slots=True, eq=False)
class Aged:
    """A table whose key is `prefix` and then `time`, in seconds.

    Where the prefix has a length, `seconds`, or the row an `end`, a row is as old as its end. `dependents` are columns
    of other tables that hold the `id` of a row: those rows are deleted with it.
    """

    table: Table
    prefix: tuple[str, ...]
    time: str = "start"
    dependents: tuple[Column[Any], ...] = ()

    def is_old(self, prefix: Prefix, before: float) -> list[ColumnElement[bool]]:
        """The rows of a prefix that ended by `before`."""
        before = whole(before, math.floor)
        columns, named = self.table.c, dict(zip(self.prefix, prefix, strict=True))
        found = [columns[name] == value for name, value in named.items()]
        found.append(columns[self.time] <= before - named.get("seconds", 0))
        return [*found, columns.end <= before] if "end" in columns else found


def with_old(connection: Connection, aged: Aged, before: float) -> list[Prefix]:
    """The prefixes under which something ended by `before`, in order."""
    found: list[Prefix] = []
    prefix = _first(connection, aged, ())
    while prefix is not None:
        if connection.execute(select(1).where(*aged.is_old(prefix, before)).limit(1)).first():
            found.append(prefix)
        prefix = _next(connection, aged, prefix)
    return found


def delete_old(
    connection: Connection, aged: Aged, prefixes: Sequence[Prefix], before: float, most: int = 1000
) -> int:
    """Delete about `most` rows under some prefixes that ended by `before`, oldest first, and return how many it were.

    Call it again until it returns 0.
    """
    deleted = 0
    for prefix in prefixes:
        if deleted >= most:
            break
        deleted += _delete(connection, aged, aged.is_old(prefix, before), most - deleted)
    return deleted


def _next(connection: Connection, aged: Aged, prefix: Prefix) -> Prefix | None:
    """The prefix after this one: one that differs in its last value, else in the one before, and so on.

    SQLite would compare whole prefixes by their first value only, and read everything from there.
    """
    for depth in reversed(range(len(prefix))):
        found = _first(connection, aged, prefix[:depth], above=prefix[depth])
        if found is not None:
            return found
    return None


def _first(connection: Connection, aged: Aged, same: Prefix, above: Any = None) -> Prefix | None:
    """The first prefix that begins with the values of `same` and, where given, goes on with one `above`."""
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
