"""Connections to SQLite: write-ahead log, every commit synced, and always to the file that was opened first."""

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from monitor.errors import StoreError
from monitor.runtime.file_modes import create_privately, make_private
from monitor.runtime.sqlite_errors import errors_of_sqlite
from monitor.store import sqlcipher

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-4096",  # kB per connection: the system caches the pages too
    "temp_store=MEMORY",  # otherwise a statement that changes sixteen pages writes a journal file
    "secure_delete=ON",  # what is deleted is overwritten
    "wal_autocheckpoint=4000",  # pages: many commits change the same page, which is then copied back once
)

BUSY_SECONDS = 30
"""Time limit for a lock of another process, unless a transaction has another."""


def sync_with_others(engine: Engine) -> None:
    """Let the commits of this engine reach the disk with the next synced one of another process, or with a checkpoint:
    what is lost with the power until then can be computed again. The log is in order, so whatever a later commit relies
    on is on disk with it. Other writers wait for shorter commits.
    """
    event.listen(engine.pool, "connect", lambda driver, _record: driver.execute("PRAGMA synchronous=NORMAL"))


def leave_checkpoints(engine: Engine) -> None:
    """Let commits of this engine copy nothing into the database, because a thread does, unless the log has 256 MB."""
    event.listen(
        engine.pool, "connect", lambda driver, _record: driver.execute("PRAGMA wal_autocheckpoint=65536")
    )
    engine.dispose()  # of the connections from before


class OpenFile:
    """The file that this process opened. Data written to a file that has been deleted would be lost."""

    def __init__(self, path: Path | None) -> None:
        self._path = self.path = path
        self._identity: tuple[int, int] | None = None

    def opened(self) -> None:
        """Remember the identity of the file, at the first connection."""
        if self._path is not None and self._identity is None:
            self._identity = self._current()

    def make_private(self) -> None:
        """Before the first connection, take the rights of others on the file, and on what SQLite keeps beside it."""
        if self._path is not None and self._identity is None and not str(self._path).startswith("file:"):
            create_privately(self._path)
            for beside in ("-wal", "-shm", "-journal"):
                make_private(self._path.with_name(self._path.name + beside))

    def check(self) -> None:
        """Check that the path still names the same file.

        Raises:
            StoreError: the file was deleted, moved or replaced.
        """
        if self._identity is None or (current := self._current()) == self._identity:
            return
        difference = "is gone" if current is None else "is not the one that was opened"
        hint = "restore the file, or restart the daemon to use the current one"
        raise StoreError(f"the database cannot be used: the file {self._path} {difference}", hint=hint)

    def sync(self) -> None:
        """Sync the file by a descriptor that SQLite has open: closing one of our own would release SQLite's locks.

        Raises:
            OSError: the disk failed.
        """
        for name in Path("/dev/fd").iterdir():
            descriptor = int(name.name)
            if self._identity is not None and _identity_of(partial(os.fstat, descriptor)) == self._identity:
                os.fsync(descriptor)
                return

    def _current(self) -> tuple[int, int] | None:
        assert self._path is not None
        return _identity_of(self._path.stat)


def _identity_of(stat: Callable[[], os.stat_result]) -> tuple[int, int] | None:
    """Device and number of a file; None if there is none."""
    try:
        status = stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def engine_of(url: str, file: OpenFile, key: str = "") -> Engine:
    """An engine without the driver's transactions, which lock too late; `Store` begins them (BEGIN IMMEDIATE).

    With a `key`, SQLCipher encrypts the file.

    Raises:
        StoreError: SQLCipher is not installed.
    """
    module = {"module": sqlcipher.driver()} if key else {}
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        pool_use_lifo=True,
        pool_timeout=30,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        **module,
    )

    @event.listens_for(engine, "do_connect")
    def _before(*_: Any) -> None:
        file.check()  # SQLite would create a new, empty file
        file.make_private()

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        try:
            if key:
                sqlcipher.open_with(dbapi_connection, key)
            for pragma in _PRAGMAS:
                dbapi_connection.execute(f"PRAGMA {pragma}")
        except errors_of_sqlite() as error:
            dbapi_connection.close()
            reason = sqlcipher.explained(error, file.path, has_key=bool(key))
            if reason is None:
                raise
            raise reason from error
        file.opened()

    return engine
