"""Reads a table in the order of some columns, some rows at a time, and continues after any row (keyset pagination).

A position is the values of these columns in the last row, as text.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import column, literal_column, table
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.expression import ColumnClause
from sqlalchemy.sql.selectable import Select

from monitor.times.reading import micros_of

Values = tuple[Any, ...]
LONGEST = 1024
"""Characters of a position that the store takes."""
_READ: dict[str, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "decimal": Decimal,
    "uuid": UUID,
    "value": lambda value: value,
}


class LongPlaceError(ValueError):
    """A row cannot be a position, because the values of its columns are too long."""


class Keyset:
    """Statements on a table or view, in the order of the columns `order`."""

    def __init__(self, name: str, order: Sequence[str]) -> None:
        schema, _, bare = name.rpartition(".")
        self._order: list[ColumnClause[Any]] = [column(one) for one in order]
        self._table = table(bare, *self._order, schema=schema or None)

    def rows(self, after: Values | None, until: Values | None, most: int) -> Select[Any]:
        """All columns of up to `most` rows after a position and up to another one."""
        return self._part(self._all(), after, until, most)

    def places(self, after: Values | None, until: Values | None, most: int) -> Select[Any]:
        """The same rows, only the columns of the order."""
        return self._part(self._table.select(), after, until, most)

    def one(self, place: Values) -> Select[Any]:
        """All columns of the rows at a position."""
        return self._all().where(*(one == value for one, value in zip(self._order, place, strict=True)))

    def last(self, most: int) -> Select[Any]:
        """All columns of the last rows, the very last first."""
        return self._all().where(*self._present()).order_by(*(one.desc() for one in self._order)).limit(most)

    def _all(self) -> Select[Any]:
        return self._table.select().with_only_columns(literal_column("*"), maintain_column_froms=True)

    def _present(self) -> list[ColumnElement[bool]]:
        return [one.is_not(None) for one in self._order]  # NULL has no place in an order

    def _part(
        self, statement: Select[Any], after: Values | None, until: Values | None, most: int
    ) -> Select[Any]:
        conditions = self._present()
        if after is not None:
            conditions.append(_beyond(self._order, after))
        if until is not None:
            conditions.append(~_beyond(self._order, until))
        return statement.where(*conditions).order_by(*self._order).limit(most)


def _beyond(order: Sequence[ColumnClause[Any]], place: Values) -> ColumnElement[bool]:
    """Whether a row comes after a place. The first comparison alone lets a database use an index."""
    first, value = order[0], place[0]
    is_greater: ColumnElement[bool] = first > value
    if len(order) == 1:
        return is_greater
    is_not_before: ColumnElement[bool] = first >= value
    return is_not_before & (is_greater | _beyond(order[1:], place[1:]))


def written(place: Values) -> str:
    """A position as text.

    Raises:
        LongPlaceError: the values are too long.
        ValueError: a value has a type that cannot be ordered.
    """
    text = json.dumps([_tagged(value) for value in place], separators=(",", ":"))
    if len(text) > LONGEST:
        msg = f"the values of the columns take {len(text):,} characters, more than {LONGEST:,}"
        raise LongPlaceError(msg)
    return text


def read(text: str) -> Values:
    """The values of a position.

    Raises:
        ValueError: it is damaged.
    """
    try:
        if position := tuple(_READ[kind](value) for kind, value in json.loads(text)):
            return position
    except (KeyError, TypeError, ArithmeticError):
        pass
    msg = f"{text!r} is not a position"
    raise ValueError(msg)


def seconds_of(value: object) -> float | None:
    """A time as seconds since the epoch; None for anything else. A time without a zone is UTC, as everywhere."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    micros = micros_of(value) if isinstance(value, str) else None  # SQLite has no type for times
    return None if micros is None else micros / 1e6


def _tagged(value: object) -> tuple[str, Any]:
    match value:
        case datetime():
            return "time", value.isoformat()
        case date():
            return "date", value.isoformat()
        case Decimal():
            return "decimal", str(value)
        case UUID():
            return "uuid", str(value)
        case bool() | int() | float() | str():
            return "value", value
    msg = f"a {type(value).__name__} cannot be a position"
    raise ValueError(msg)
