"""A statement whose text is made once: for the few that run hundreds of times a second.

SQLAlchemy still writes the SQL, so it is right for SQLite and PostgreSQL; only the work of finding that out anew for
each execution is saved. Values go to the driver as they are: numbers, texts, booleans and bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import ClauseElement


class Prepared:
    """One statement for each dialect, written when it is first run there."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._texts: dict[str, tuple[str, Sequence[str] | None, Mapping[str, Any]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it once."""
        text, order, fixed = self._text(connection)
        return connection.exec_driver_sql(text, _arrange(values, order, fixed))

    def run_for_each(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> int:
        """Run it for each set of values, and return the number of rows that were written."""
        if not values:
            return 0
        text, order, fixed = self._text(connection)
        return connection.exec_driver_sql(text, [_arrange(one, order, fixed) for one in values]).rowcount

    def _text(self, connection: Connection) -> tuple[str, Sequence[str] | None, Mapping[str, Any]]:
        name = connection.dialect.name
        if name not in self._texts:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            order = tuple(compiled.positiontup) if compiled.positiontup is not None else None  # type: ignore[attr-defined]
            fixed = {key: value for key, value in compiled.params.items() if value is not None}
            self._texts[name] = (str(compiled), order, fixed)
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
        return self._by_dialect[connection.dialect.name].run_for_each(connection, rows)


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


def _arrange(values: Mapping[str, Any], order: Sequence[str] | None, fixed: Mapping[str, Any]) -> Any:
    if order is None:
        return {**fixed, **values}
    return tuple(values[name] if name in values else fixed[name] for name in order)
