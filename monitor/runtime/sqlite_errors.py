"""Exceptions of SQLite's drivers: of Python's, and of SQLCipher's, which is not derived from it."""

import sqlite3
import sys
from typing import Any

SQLCIPHER = "sqlcipher3.dbapi2"
_MODULES = frozenset(("sqlite3", SQLCIPHER))


def is_of_sqlite(error: object, *kinds: str) -> bool:
    """Whether an exception is one of SQLite's, of one of these classes if any are named: `OperationalError`."""
    return any(
        one.__module__ in _MODULES and (not kinds or one.__name__ in kinds) for one in type(error).__mro__
    )


def errors_of_sqlite() -> tuple[type[Exception], ...]:
    """The base classes of the exceptions of the drivers that are loaded."""
    module: Any = sys.modules.get(SQLCIPHER)
    return (sqlite3.Error,) if module is None else (sqlite3.Error, module.Error)
