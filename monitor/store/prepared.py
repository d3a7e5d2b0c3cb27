"""A statement whose text is made once: for the few that run hundreds of times a second.

SQLAlchemy still writes the SQL, so it is right for SQLite and PostgreSQL; only the work of finding that out anew for
each execution is saved. Values go to the driver as they are: numbers, texts, booleans and bytes. What writes goes to
SQLite's driver itself: SQLAlchemy's own steps around a statement take ten times as long as a small statement does.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import ClauseElement

from monitor.store.db import sqlite_driver

_VALUES = re.compile(r" VALUES (\([?, ]+\))")
_MOST_AT_ONCE = 64


class Prepared:
    """One statement for each dialect, written when it is first run there."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it once."""
        text, arranged = self._text(connection)
        return connection.exec_driver_sql(text, arranged(values))

    def row(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Run it once, and return the first row of its answer."""
        driver = sqlite_driver(connection)
        if driver is None:
            return self.run(connection, values).first()
        text, arranged = self._text(connection)
        found = driver.execute(
            text, arranged(values)
        ).fetchall()  # to its end: it must not be open at the commit
        return found[0] if found else None

    def run_for_each(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each set of values, and return the number of rows that were written."""
        if not values:
            return 0
        text, arranged = self._text(connection)
        driver, rows = sqlite_driver(connection), list(map(arranged, values))
        if driver is None:
            return connection.exec_driver_sql(text, rows).rowcount
        return driver.executemany(text, rows).rowcount

    def insert(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """The same for a statement that inserts a row, with many rows a step.

        SQLite's driver lets go of the interpreter at each step, and has to wait for it again when others compute.
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
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            order: Sequence[str] | None = compiled.positiontup  # type: ignore[attr-defined]
            given = self._columns or ()
            fixed = {
                key: value for key, value in compiled.params.items() if value is not None and key not in given
            }
            self._texts[name] = (str(compiled), _arranger(order, fixed))
        return self._texts[name]


class PreparedInsert:
    """Insert rows whose unique key is free, and leave the others."""

    def __init__(self, table: Table) -> None:
        columns = [column.name for column in table.columns if column is not table.autoincrement_column]
        self._by_dialect = {
            "sqlite": Prepared(sqlite.insert(table).on_conflict_do_nothing(), columns),
            "postgresql": Prepared(postgresql.insert(table).on_conflict_do_nothing(), columns),
        }

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """The number of rows that were written."""
        return self._by_dialect[connection.dialect.name].insert(connection, rows)


class PreparedReplace:
    """Insert rows; where the unique `key` is taken, the new row takes the old one's place."""

    def __init__(self, table: Table, key: Sequence[str]) -> None:
        columns = [column.name for column in table.columns]
        self._by_dialect = {}
        for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql)):
            statement = dialect.insert(table)
            changed = {column: statement.excluded[column] for column in columns if column not in key}
            taken = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
            self._by_dialect[name] = Prepared(taken, columns)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows, each with a value for every column."""
        self._by_dialect[connection.dialect.name].run_for_each(connection, rows)


@lru_cache
def _of_many(text: str, rows: int) -> str:
    """A statement that inserts a row, for several."""
    one = _VALUES.search(text)
    assert one is not None, "not a statement that inserts a row"
    return f"{text[: one.start(1)]}{', '.join([one[1]] * rows)}{text[one.end(1) :]}"


def _halved(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """Rows in parts of 64, 32, 16, ...: so there are few statements, and the driver knows them all."""
    start = 0
    while start < len(rows):
        size = min(_MOST_AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size


def _arranger(order: Sequence[str] | None, fixed: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """How a statement's values become what the driver takes: in `order` where it wants them so, else by name."""
    if order is None:
        return lambda values: {**fixed, **values}
    if fixed or len(order) < 2:
        return lambda values: tuple(values[name] if name in values else fixed[name] for name in order)
    return itemgetter(*order)
