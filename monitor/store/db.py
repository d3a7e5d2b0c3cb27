"""The one database: SQLite by default (WAL, every commit synced), PostgreSQL when shared.

A caller opens a transaction and hands its connection to the functions of this room, so that what belongs
together commits together. SQLite takes one writer at a time: `write` serialises them in this process and
takes the lock at once, so that no transaction fails half way for having read first.
"""

import math
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from monitor.errors import StoreError

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


FROZEN_AFTER = 15
"""A process that stops in the middle of a transaction keeps its locks from the others for so many seconds."""

READING = "reading"
"""The execution option of connections from `Store.read`."""


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "cache_size=-16384",
    "temp_store=MEMORY",  # else a statement that touches sixteen pages makes a file to be able to undo itself
    "wal_autocheckpoint=4000",  # pages: many commits change the same ones, and each is copied back once
)

_HINTS = {  # by SQLite's own words
    "unable to open": "`store.url` names the file: does its folder exist, and may this user write there?",
    "readonly": "may this user write to the file and its folder?",
    "is locked": "does another process write to this file? Several daemons need PostgreSQL",
    "is full": "make room on the disk, or shorten `predictions.retention`",
    "not a database": "`store.url` names a file of another kind: name a new one",
    "malformed": "the file is damaged: put the last backup in its place",
}


class Store:
    """Connections to the database, and its transactions."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        self.engine = _sqlite_engine(url) if self.is_sqlite else _shared_engine(url)
        weakref.finalize(self, self.engine.dispose)  # one that is dropped unclosed gives its connections back

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write: all of it is durable after the block, or none of it.

        Raises:
            StoreError: the database is locked by another process, full, or out of reach.
        """
        if not self.is_sqlite:
            with _mapped(), self.engine.begin() as connection:
                connection.exec_driver_sql(
                    f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_AFTER}s'"
                )
                yield connection
            return
        with self._writer, _mapped(), self.engine.connect() as connection:
            driver = sqlite_driver(connection)
            assert driver is not None
            driver.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                driver.execute("COMMIT")
            except BaseException:
                if driver.in_transaction:  # a full disk ends it by itself
                    driver.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the database; nothing is written, and nothing that is seen can be rolled back."""
        with _mapped(), self.engine.connect() as connection:
            connection.execution_options(**{READING: True})
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                if self.is_sqlite:
                    connection.exec_driver_sql("ROLLBACK")

    @property
    def path(self) -> Path | None:
        """Where SQLite keeps the database; None for one in memory or on a server."""
        name = self.url.database if self.is_sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def whole(moment: float, towards: Callable[[float], int] = math.ceil) -> float:
    """A moment to compare a column of whole seconds with: PostgreSQL uses no index of whole numbers for a fraction."""
    return towards(moment) if math.isfinite(moment) else moment


def sqlite_driver(connection: Connection) -> sqlite3.Connection | None:
    """The connection below, for statements without SQLAlchemy around them; None where the database is another one."""
    driver = connection.connection.driver_connection
    return driver if isinstance(driver, sqlite3.Connection) else None


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        is_out_of_reach = isinstance(error, OperationalError) or error.connection_invalidated
        if not is_out_of_reach and not _is_damaged(error.orig):
            raise
        raise _unusable(error.orig) from error
    except sqlite3.DatabaseError as error:  # of a statement that went to the driver itself
        if not isinstance(error, sqlite3.OperationalError) and not _is_damaged(error):
            raise
        raise _unusable(error) from error


def _is_damaged(error: BaseException | None) -> bool:
    """Whether the file is none of SQLite's, or not whole any more."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _unusable(error: BaseException | None) -> StoreError:
    reason = str(error).splitlines()[0]
    hint = next((hint for words, hint in _HINTS.items() if words in reason), "is it full, locked, or down?")
    return StoreError(f"the database cannot be used: {reason}", hint=hint)


def _shared_engine(url: str) -> Engine:
    """PostgreSQL: a host that vanished is noticed within seconds, not when the kernel gives up."""
    patience = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "tcp_user_timeout": 15_000,
    }
    try:
        return create_engine(url, pool_pre_ping=True, connect_args=patience)
    except ModuleNotFoundError as error:
        hint = "pip install 'watchkeeper[postgresql]'"
        raise StoreError(f"PostgreSQL needs {error.name}, which is not installed", hint=hint) from error


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=8, connect_args={"check_same_thread": False, "timeout": 30}
    )

    # Transactions are begun by hand (BEGIN IMMEDIATE): the driver's own would take the lock too late.
    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        for pragma in _PRAGMAS:
            dbapi_connection.execute(f"PRAGMA {pragma}")

    return engine
