"""The database: SQLite by default (WAL, every commit synced), PostgreSQL if several daemons share it.

A caller opens a transaction and passes its connection to the functions of this package. SQLite allows one writer at a
time: `write` serializes writers in this process and takes SQLite's lock at the start, so that no transaction fails
halfway because it read first.
"""

import math
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, event, make_url

from monitor.errors import StoreError
from monitor.runtime.faults import Faults
from monitor.runtime.sqlite_errors import errors_of_sqlite
from monitor.runtime.threads.preemption import long_work
from monitor.store import errors, postgresql, sqlcipher, sqlite, text_values
from monitor.store.availability import StoreAvailability
from monitor.store.settings import StoreSettings
from monitor.store.sqlite import OpenFile

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


FROZEN_AFTER = 15
"""Seconds after which PostgreSQL ends the transaction of a process that has stopped, and releases its locks."""

READING = "reading"
"""The execution option of connections from `Store.read`."""
_FAULTS = "faults"
_WRITER_WITHIN = 60.0
"""Seconds that a transaction waits for the one before it in this process."""


class Store:
    """Connections and transactions. Damaged rows are reported to `faults`. With a `key` of 64 hexadecimal digits,
    an SQLite database is encrypted.
    """

    def __init__(self, url: str, faults: Faults | None = None, key: str = "") -> None:
        self.faults = faults or Faults()
        self.key = key
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.condition = StoreAvailability()
        self.commits = 0
        """Transactions of this process that were committed so far."""
        self._file = OpenFile(self.path)
        self._writer = threading.Lock()
        self._is_silent = False
        self._asking = threading.Lock()
        engine = sqlite.engine_of(url, self._file, key) if self.is_sqlite else postgresql.engine_of(url)
        self.engine = text_values.guard(engine).execution_options(**{_FAULTS: self.faults})
        self._drivers = drivers = dict[int, Any]()
        event.listen(engine, "connect", lambda driver, _record: drivers.update({id(driver): driver}))
        event.listen(engine, "close", lambda driver, _record: drivers.pop(id(driver), None))
        self._is_abandoned = False
        self._in_use = in_use = set[int]()
        event.listen(engine, "checkout", lambda driver, _record, _proxy: in_use.add(id(driver)))
        event.listen(engine, "checkin", lambda driver, _record: in_use.discard(id(driver)))
        weakref.finalize(self, self.engine.dispose)  # closes the connections of a store that was never closed

    def __reduce__(self) -> tuple[Callable[[str, str], "Store"], tuple[str, str]]:
        """Pickle URL and key only: in a child process, the store opens its own connections."""
        return opened, (self.url.render_as_string(hide_password=False), self.key)

    def size(self, connection: Connection) -> float:
        """Size of the database in bytes."""
        if self.is_sqlite:
            # SQLCipher answers with a text.
            pages, each = (
                int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
                for name in ("page_count", "page_size")
            )
            return float(pages * each)
        return float(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())

    @staticmethod
    def ping(connection: Connection) -> None:
        """Run a trivial query."""
        connection.exec_driver_sql("SELECT 1")

    @contextmanager
    def write(self, patience: float | None = None) -> Iterator[Connection]:
        """A transaction that may write: after the block all of it is durable, or none of it.

        `patience` is the limit in seconds for each statement and lock, if the default is too short.

        Raises:
            StoreError: the database is locked by another process, full, or out of reach.
        """
        with self._mapped(), long_work(None):  # others wait for its end
            if self.is_sqlite:
                with self._write_alone(patience) as connection:
                    yield connection
            else:
                with self._connected() as connection, connection.begin():
                    connection.exec_driver_sql(_limits(patience))
                    with _waiting(connection, patience):
                        yield connection
        self.commits += 1
        self.condition.wrote()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent, read-only view of committed data.

        Raises:
            StoreError: the database is out of reach.
        """
        with self._mapped(), self._connected() as connection:
            connection.execution_options(**{READING: True})
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                if self.is_sqlite:
                    connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def snapshot(self, patience: float) -> Iterator[Connection]:
        """As `read`, for reading all of it: the same moment for every statement, `patience` seconds for each.

        Raises:
            StoreError: the database is out of reach.
        """
        if self.is_sqlite:
            with self.read() as connection:
                yield connection
            return
        with self._mapped(), self._connected() as connection:
            connection.execution_options(**{READING: True, "isolation_level": "REPEATABLE READ"})
            connection.exec_driver_sql(_limits(patience))
            with _waiting(connection, patience):
                yield connection
            connection.rollback()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """A connection to PostgreSQL outside any transaction. What it locks is locked until the block, or the process,
        ends.

        Raises:
            StoreError: the database is out of reach.
        """
        with self._mapped(), self._connected() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                yield connection
            finally:
                connection.invalidate()  # closed, not kept for others: the server releases its locks

    def checkpoint(self, *, alone: bool = False) -> tuple[int, int]:
        """Copy pages of SQLite's write-ahead log into the database: how many pages the log has, and how many of them
        are copied now. Writers go on meanwhile, unless `alone`: then those of this process wait.

        Raises:
            StoreError: the pages cannot be copied. Commits may work all the same.
        """
        try:
            with self._writer if alone else nullcontext(), self._connected() as connection:
                driver = sqlite_driver(connection)
                assert driver is not None
                _, pages, copied = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                return int(pages), int(copied)  # SQLCipher answers with texts
        except errors.foreign() as error:
            if not errors.is_database_fault(error):
                raise
            raise errors.unusable(error) from error

    def sync(self) -> None:
        """Write to the disk what the system still holds of SQLite's file, without its log.

        Raises:
            StoreError: the disk failed.
        """
        try:
            self._file.sync()
        except OSError as error:
            raise StoreError(f"the database file cannot be synced: {error}") from error

    @contextmanager
    def _write_alone(self, patience: float | None) -> Iterator[Connection]:
        within = _WRITER_WITHIN if patience is None else patience
        if not self._writer.acquire(timeout=within):
            raise StoreError(f"the database has been busy with one transaction for {within:.0f} seconds")
        try:
            with self._connected() as connection:
                driver = sqlite_driver(connection)
                assert driver is not None
                if patience is not None:
                    driver.execute(f"PRAGMA busy_timeout={patience * 1000:.0f}")
                try:
                    driver.execute("BEGIN IMMEDIATE")
                finally:
                    if patience is not None:
                        driver.execute(f"PRAGMA busy_timeout={sqlite.BUSY_SECONDS * 1000}")
                try:
                    yield connection
                    self._file.check()
                    driver.execute("COMMIT")
                except BaseException:
                    if driver.in_transaction:  # a full disk ends it by itself
                        driver.execute("ROLLBACK")
                    raise
        finally:
            self._writer.release()

    def _connected(self) -> Connection:
        if self._is_abandoned:
            raise StoreError("the daemon is stopping")
        self._file.check()
        if not self._is_silent:
            return self.engine.connect()
        if not self._asking.acquire(blocking=False):  # one waiting thread is enough
            raise StoreError(
                "the database cannot be used: it does not respond", hint="is it overloaded, or does it hang?"
            )
        try:
            connection = self.engine.connect()
            self._is_silent = False
            return connection
        finally:
            self._asking.release()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self.condition.failed(error.message)
            raise
        except errors.foreign() as error:
            if not errors.is_database_fault(error):
                raise
            if self._is_abandoned:
                raise StoreError("the daemon is stopping") from error
            self._is_silent = self._is_silent or errors.is_silence(error)
            if errors.is_standby(error):
                self.engine.dispose()  # the name in `store.url` may lead to the primary by now
            unusable = errors.unusable(error)
            self.condition.failed(unusable.message)
            raise unusable from error

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database; None if it is in memory or on a server."""
        name = self.url.database if self.is_sqlite else None
        return Path(name) if name and name != ":memory:" else None

    @property
    def is_in_memory(self) -> bool:
        """Whether the database is in the memory of this process."""
        return self.is_sqlite and self.path is None

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def abandon(self, within: float = 0.5) -> None:
        """Interrupt all statements and close all connections, at the end of a process whose threads have not ended.

        Unfinished writes are rolled back; later reads and writes fail. `within` is the time in seconds that threads
        have to release their connections. A connection that is still in use then stays open: closing it under a
        running statement would crash the process. SQLite recovers its write-ahead log at the next start.
        """
        self._is_abandoned = True
        self.engine.dispose()
        ends = time.monotonic() + within
        while True:
            drivers = list(self._drivers.values()) if self.is_sqlite else []
            busy = [driver for driver in drivers if id(driver) in self._in_use]
            for driver in busy:
                with suppress(*errors_of_sqlite()):
                    driver.interrupt()
            if not busy or time.monotonic() >= ends:
                break
            time.sleep(0.02)
        for driver in drivers:
            if id(driver) not in self._in_use:
                with suppress(*errors_of_sqlite()):
                    driver.close()
        if (
            busy and self.path is not None
        ):  # what is committed goes into the file itself, for whoever copies it
            module = sqlcipher.driver() if self.key else sqlite3
            with suppress(*errors_of_sqlite()), closing(module.connect(self.path, timeout=within)) as last:
                if self.key:
                    sqlcipher.open_with(last, self.key)
                last.execute("PRAGMA wal_checkpoint(PASSIVE)")


@lru_cache(maxsize=1)
def opened(url: str, key: str = "") -> Store:
    """The store that was sent to a child process."""
    return Store(url, key=key)


def store_of(settings: StoreSettings) -> Store:
    """The store of a configuration."""
    return Store(settings.url, key=settings.key.get_secret_value())


def whole(moment: float, towards: Callable[[float], int] = math.ceil) -> float:
    """`moment` as an integer, to compare with a column of integers: PostgreSQL would not use its index for a float."""
    return towards(moment) if math.isfinite(moment) else moment


def faults_of(connection: Connection) -> Faults:
    """The faults of the store that this connection belongs to."""
    faults = connection.get_execution_options().get(_FAULTS)
    return faults if isinstance(faults, Faults) else Faults()


def sqlite_driver(connection: Connection) -> sqlite3.Connection | None:
    """The driver's own connection, to bypass SQLAlchemy; None if the database is not SQLite."""
    if connection.dialect.name != "sqlite":
        return None
    driver: sqlite3.Connection | None = (
        connection.connection.driver_connection
    )  # or SQLCipher's, which has all of it
    return driver


def _limits(patience: float | None) -> str:
    """The `SET` statements of one transaction on PostgreSQL; `patience` in seconds."""
    if patience is None:
        return f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_AFTER}s'"
    names = ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout")
    return "; ".join(f"SET LOCAL {name} = '{max(patience, FROZEN_AFTER):.0f}s'" for name in names)


@contextmanager
def _waiting(connection: Connection, patience: float | None) -> Iterator[None]:
    """Apply `patience` to the client side of the connection as well."""
    driver: Any = connection.connection.driver_connection
    if patience is None:
        yield
        return
    usual, driver.patience = driver.patience, patience
    try:
        yield
    finally:
        driver.patience = usual
