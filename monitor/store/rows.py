"""Writes rows so that one that fails stops no other, and checks values that are read.

SQLite stores any value in any column, and disks and memory may be damaged: values are checked before they are used.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from monitor.store.db import faults_of


def write_each(
    connection: Connection,
    statement: Executable,
    rows: Sequence[dict[str, Any]],
    part: str,
    name: Callable[[dict[str, Any]], str],
) -> None:
    """Execute a statement for all rows; if that fails, for each row alone, and report those that fail as faults.

    The transaction continues in either case. `part` and `name` name the fault.
    """
    if not rows:
        return
    faults = faults_of(connection)
    try:
        with connection.begin_nested():
            connection.execute(statement, rows)
    except (SQLAlchemyError, ValueError, TypeError, ArithmeticError) as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        for row in rows:
            with faults.isolate(part, name(row)), connection.begin_nested():
                connection.execute(statement, [row])


FARTHEST = 1e11
"""The largest valid time in seconds since the epoch, and before it: about three thousand years."""


def moment(value: object) -> float:
    """Check a time in seconds since the epoch.

    Raises:
        ValueError: the value is not a number, or is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"{_short(value)} is not a time"
        raise ValueError(msg)
    if not -FARTHEST < value < FARTHEST:
        msg = f"{_short(value)} is out of range for a time"
        raise ValueError(msg)
    return float(value)


def number(value: object) -> float:
    """Check a figure.

    Raises:
        ValueError: the value is not a number, or is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"{_short(value)} is not a number"
        raise ValueError(msg)
    return float(value)


def whole_number(value: object) -> int:
    """Check a count.

    Raises:
        ValueError: the value is not an integer, or is negative or too large.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        msg = f"{_short(value)} is not a count"
        raise ValueError(msg)
    return value


def words(value: object) -> str:
    """Check a string.

    Raises:
        TypeError: the value is not a string.
        ValueError: it cannot be encoded as UTF-8.
    """
    if not isinstance(value, str):
        msg = f"{_short(value)} is not a string"
        raise TypeError(msg)
    value.encode()
    return value


def blob(value: object) -> bytes:
    """Check bytes.

    Raises:
        TypeError: the value is not bytes.
    """
    if not isinstance(value, bytes | memoryview | bytearray):
        msg = f"{_short(value)} is not bytes"
        raise TypeError(msg)
    return bytes(value)


def head(value: object) -> bytes:
    """The first bytes of a column; none of one that is damaged, or empty, of which SQLite says NULL."""
    return blob(value) if isinstance(value, bytes | memoryview | bytearray) else b""


def _short(value: object) -> str:
    return repr(value)[:80]
