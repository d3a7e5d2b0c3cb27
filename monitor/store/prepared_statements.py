"""Statements that SQLAlchemy compiles once, for those that run hundreds of times a second.

SQLAlchemy writes the SQL for SQLite and PostgreSQL; only its work at each execution is saved. Parameters go to the
driver unconverted: numbers, strings, booleans and bytes. Writes bypass SQLAlchemy on SQLite, because its steps around a
small statement take ten times as long as the statement.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.sql.expression import ClauseElement

from monitor.store.db import sqlite_driver
from monitor.store.statements import Changes, insert_or_skip, upsert

_AHEAD = "ahead"
"""The execution option that holds what was read ahead on a connection."""
_ARRAYS = {bool: "boolean[]", int: "bigint[]", float: "double precision[]", str: "text[]"}
_VALUES = re.compile(r" VALUES (\([?, ]+\))")
_MOST_AT_ONCE = 64
_NAMED: Any = namedtuple


class Prepared:
    """One statement, compiled at its first execution on a dialect.

    `statement` may be a function of the dialect's name, if the statements differ.
    """

    def __init__(
        self, statement: ClauseElement | Callable[[str], ClauseElement], columns: Sequence[str] | None = None
    ) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {}
        self._named: Callable[[Sequence[Any]], Any] | None = None
        self._ahead: dict[tuple[str, ...], str] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute the statement."""
        text, arranged = self._text(connection)
        return connection.exec_driver_sql(text, arranged(values))

    def row(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Execute the statement, and return the first row of the result; None if it is empty."""
        driver = sqlite_driver(connection)
        if driver is None:
            known = self._known(connection, values)
            return self.run(connection, values).first() if known is None else next(iter(known), None)
        text, arranged = self._text(connection)
        rows = driver.execute(
            text, arranged(values)
        ).fetchall()  # all of it: no cursor may be open at the commit
        return rows[0] if rows else None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """Execute the statement, and return all rows of the result, with their columns as attributes."""
        driver = sqlite_driver(connection)
        if driver is None:
            known = self._known(connection, values)
            return self.run(connection, values).all() if known is None else known
        text, arranged = self._text(connection)
        cursor = driver.execute(text, arranged(values))
        if self._named is None:
            columns = [name.rpartition(".")[2] for name, *_ in cursor.description]
            self._named = _NAMED("Row", columns, rename=True)._make
        return list(map(self._named, cursor.fetchall()))

    def read_ahead(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement that selects rows for many sets of values at once: on this connection, `row` and `rows`
        then give what was stored now. Nothing happens on SQLite, where a statement takes no way over a network.
        """
        if len(values) < 2 or sqlite_driver(connection) is not None:
            return
        kept = connection.get_execution_options().get(_AHEAD)
        if kept is None:
            connection.execution_options(**{_AHEAD: (kept := {})})
        names = tuple(name for name in values[0] if len({value[name] for value in values}) > 1)
        text, arranged = self._text(connection)
        arrays = {f"ahead_{name}": [value[name] for value in values] for name in names}
        result = connection.exec_driver_sql(
            self._for_each(text, names, values[0]), arranged(values[0]) | arrays
        )
        make = _NAMED("Row", list(result.keys())[1:], rename=True)._make
        found: list[list[Any]] = [[] for _ in values]
        for place, *row in result:
            found[place - 1].append(make(row))
        kept |= {(self, frozenset(one.items())): rows for one, rows in zip(values, found, strict=True)}

    def _known(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The rows that were read ahead; None if they were not."""
        kept = connection.get_execution_options().get(_AHEAD)
        rows: Sequence[Any] | None = kept.get((self, frozenset(values.items()))) if kept else None
        return rows

    def _for_each(self, text: str, names: tuple[str, ...], example: Mapping[str, Any]) -> str:
        """The statement for arrays of the values of these names, with the place in the arrays before each row."""
        if names not in self._ahead:
            for name in names:
                text = text.replace(f"%({name})s", f'ahead."{name}"')
            arrays = ", ".join(f"%(ahead_{name})s::{_ARRAYS[type(example[name])]}" for name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            given = f"unnest({arrays}) WITH ORDINALITY AS ahead({columns}, place)"
            self._ahead[names] = f"SELECT ahead.place, found.* FROM {given}, LATERAL ({text}) AS found"  # noqa: S608 - names of this code
        return self._ahead[names]

    def run_for_each(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """Execute the statement for each set of values; the number of rows written."""
        if not values:
            return 0
        text, arranged = self._text(connection)
        driver, rows = sqlite_driver(connection), list(map(arranged, values))
        if driver is None:
            return connection.exec_driver_sql(text, rows).rowcount
        return driver.executemany(text, rows).rowcount

    def insert(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """As `run_for_each`, for an insert statement, with many rows per execution.

        SQLite's driver releases the GIL at each execution, and has to wait for it again while other threads compute.
        """
        driver = sqlite_driver(connection)
        if driver is None:
            return self.run_for_each(connection, values)
        text, arranged = self._text(connection)
        written = 0
        for some in _halved([arranged(value) for value in values]):
            written += driver.execute(_of_many(text, len(some)), tuple(chain.from_iterable(some))).rowcount
        return written

    def _text(self, connection: Connection) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
        name = connection.dialect.name
        if name not in self._texts:
            built = self._statement
            statement = built if isinstance(built, ClauseElement) else built(name)
            compiled = statement.compile(dialect=connection.dialect, column_keys=self._columns)
            order: Sequence[str] | None = compiled.positiontup  # type: ignore[attr-defined]
            named = self._columns or ()
            fixed = {
                key: value for key, value in compiled.params.items() if value is not None and key not in named
            }
            self._texts[name] = (str(compiled), _arranger(order, fixed))
        return self._texts[name]


def prepared_insert(table: Table) -> Prepared:
    """A statement that inserts rows and skips those whose unique key is taken."""
    columns = [column.name for column in table.columns if column is not table.autoincrement_column]
    return Prepared(lambda dialect: insert_or_skip(dialect, table), columns)


def prepared_upsert(table: Table, key: Sequence[str], changes: Changes | Sequence[str] = ()) -> Prepared:
    """A statement that inserts or updates rows, each with a value for every column; see `statements.upsert`."""
    columns = [column.name for column in table.columns]
    return Prepared(lambda dialect: upsert(dialect, table, key, changes), columns)


@lru_cache
def _of_many(text: str, rows: int) -> str:
    """The insert statement of one row, for `rows` rows."""
    match = _VALUES.search(text)
    assert match is not None, "not an insert statement"
    return f"{text[: match.start(1)]}{', '.join([match[1]] * rows)}{text[match.end(1) :]}"


def _halved(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows in parts of 64, 32, 16, ...: few different statements, which all fit in the driver's cache."""
    start = 0
    while start < len(rows):
        size = min(_MOST_AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size


def _arranger(order: Sequence[str] | None, fixed: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """A function from named values to the driver's parameters: in `order`, or by name if it is None."""
    if order is None:
        return lambda values: {**fixed, **values}
    if fixed or len(order) < 2:
        return lambda values: tuple(values[name] if name in values else fixed[name] for name in order)
    return itemgetter(*order)
