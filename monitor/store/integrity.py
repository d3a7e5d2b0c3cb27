"""Checks the file of an embedded database: for seconds at the start of the daemon, completely for `doctor`."""

import sqlite3
import time
from collections.abc import Iterator

from sqlalchemy import LargeBinary, select
from sqlalchemy.exc import DatabaseError

from monitor.errors import DamageError
from monitor.runtime.sqlite_errors import errors_of_sqlite
from monitor.store import errors
from monitor.store.checksums import unseal
from monitor.store.db import Store, sqlite_driver
from monitor.store.rows import blob
from monitor.store.tables import metadata

_STEPS = 20_000
"""Steps of SQLite's virtual machine between two checks of the time."""
_MOST = 20


def quick_check(store: Store, seconds: float) -> list[str]:
    """The problems that `PRAGMA quick_check` finds within `seconds`; a large file is checked in part.

    Raises:
        StoreError: the file cannot be read at all.
    """
    return _check(store, "quick_check", time.monotonic() + seconds)


def full_check(store: Store) -> Iterator[str]:
    """All problems of the file, and all wrong checksums, each with its table and key."""
    if store.key:
        yield from _check(store, "cipher_integrity_check", float("inf"))
    yield from _check(store, "integrity_check", float("inf"))
    for table in metadata.sorted_tables:
        keys = list(table.primary_key.columns)
        for column in (c for c in table.columns if isinstance(c.type, LargeBinary)):
            with store.read() as connection:
                try:
                    for row in connection.execute(select(*keys, column)).yield_per(100):
                        try:
                            unseal(blob(row[-1] or b""))
                        except (DamageError, TypeError) as error:
                            key = " ".join(str(part) for part in row[:-1])
                            yield f"{table.name} {key} ({column.name}): {error}"
                except DatabaseError as error:
                    yield f"{table.name} ({column.name}): {errors.unusable(error).message}"


def _check(store: Store, pragma: str, until: float) -> list[str]:
    if not store.is_sqlite:
        return []
    with store.read() as connection:
        driver = sqlite_driver(connection)
        assert driver is not None
        most = "" if pragma.startswith("cipher") else f"({_MOST})"
        driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            problems = [str(row[0]) for row in driver.execute(f"PRAGMA {pragma}{most}")]
        except errors_of_sqlite() as error:
            is_late = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
            problems = [] if is_late else [errors.unusable(error).message]
        finally:
            driver.set_progress_handler(None, 0)
    return [line for text in problems for line in text.splitlines() if line != "ok"]
