"""Decides whether an error of the database is caused by our statement or by the database.

An error that depends on the values or the statement belongs to a row or request, and is raised unchanged. All other
errors are the database's: it is read-only, full, locked, damaged, stopped, or out of connections. They become a
`StoreError`, after which callers retry; if it persists, the alert StoreDown fires.
"""

import sqlite3

from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from monitor.errors import StoreError
from monitor.runtime.sqlite_errors import errors_of_sqlite, is_of_sqlite

_OURS = (  # PostgreSQL's SQLSTATE, or how it begins
    "0A",  # a feature that it does not have
    "21",  # more rows than one
    "22",  # a value that its type does not hold
    "23",  # integrity
    "42",  # syntax, names, types
    "54",  # a value or statement beyond its limits
)
_THEIRS = (
    "42501",  # a permission was revoked
    "42P01",  # a table is not there: another database, or one that was restored in part
    "42703",  # nor a column
)
_OURS_OF_SQLITE = (
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_MISUSE,
)
_MISSING = ("no such table", "no such column")

_HINTS = {  # by a part of the database's message
    "unable to open": "does the folder of `store.url` exist, and may this user write there?",
    "readonly": "may this user write to the file and its folder?",
    "read-only transaction": "is this a standby? `store.url` has to lead to the primary",
    "is locked": "does another process use this file? Several daemons need PostgreSQL",
    "is full": "make room on the disk, or shorten `predictions.retention`",
    "No space left": "make room on the disk, or shorten `predictions.retention`",
    "disk I/O error": "is the disk full or broken?",
    "not a database": "`store.url` names a file that is not a database, or one that is encrypted: set `store.key`",
    "malformed": "the file is damaged: restore the last backup",
    "permission denied": "grant the user of `store.url` all rights on the tables",
    "too many": "raise PostgreSQL's max_connections, or run fewer daemons",
    "no such table": "is `store.url` right? The daemon creates the tables when it starts",
}
_UNUSABLE = "the database cannot be used"


def foreign() -> tuple[type[Exception], ...]:
    """Exceptions of SQLAlchemy and the drivers that are loaded."""
    return (DBAPIError, PoolTimeoutError, PendingRollbackError, *errors_of_sqlite())


def is_database_fault(error: BaseException) -> bool:
    """Whether the database caused the error, so that a retry may succeed."""
    if isinstance(error, (PoolTimeoutError, PendingRollbackError)):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and _is_of_the_server(error.orig))
    return _is_of_the_server(error)


def is_silence(error: BaseException) -> bool:
    """Whether the database did not respond in time, so that other callers would wait in vain as well."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(error, PoolTimeoutError) or type(cause).__name__ in (
        "ConnectionTimeout",
        "NoAnswerError",
    )


def is_standby(error: BaseException) -> bool:
    """Whether the server is read-only: after a failover, the former primary."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None) == "25006"


def unusable(error: BaseException) -> StoreError:
    """The error in one line, without statement and parameters, with a hint."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, PoolTimeoutError):
        return StoreError(
            "the database cannot be used: all connections are busy", hint="is it overloaded, or does it hang?"
        )
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    hint = next((hint for words, hint in _HINTS.items() if words in reason), "is it full, locked, or down?")
    is_damage = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
    # SQLite's messages are fixed ("database or disk is full"); those of a server name addresses, users and databases.
    public = "" if is_of_sqlite(cause) else _UNUSABLE
    return StoreError(f"{_UNUSABLE}: {reason}", hint=hint, is_damage=is_damage, public=public)


def _is_of_the_server(error: BaseException) -> bool:
    if is_of_sqlite(error):
        return _is_of_the_file(error)
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state in _THEIRS or not state.startswith(_OURS)
    # Without a state it did not come from the server: the connection broke, or the driver cannot send a value.
    return type(error).__name__ not in ("DataError", "ProgrammingError", "NotSupportedError")


def _is_of_the_file(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # of the driver itself: a text that is no UTF-8, a closed connection
        return is_of_sqlite(error, "InterfaceError")
    if code & 0xFF == sqlite3.SQLITE_ERROR:  # syntax, a value that a function does not take
        return str(error).startswith(_MISSING)
    return code & 0xFF not in _OURS_OF_SQLITE
