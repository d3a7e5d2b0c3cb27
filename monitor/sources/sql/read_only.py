"""Connections that only read, and no longer than a limit.

PostgreSQL, MariaDB and MySQL end a statement at the limit and allow no changes; SQLite opens the file read-only. Every
other database is read in a thread that is abandoned at the limit: give it a user who may only read.
"""

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DataError, SQLAlchemyError
from sqlalchemy.sql.selectable import Select

from monitor.errors import WatchkeeperError
from monitor.runtime.call_timeout import CallTimeoutError, within
from monitor.runtime.faults import one_line
from monitor.sources.causes import Advice
from monitor.sources.source import SourceError
from monitor.store import postgresql

MYSQL = ("mysql", "mariadb")
_ADVICE = Advice(
    "check the address, the names of table and columns, and the rights of the user",
    right="grant the user SELECT on the table",
    authority="name its file in the address (of PostgreSQL: `?sslrootcert=...`)",
)
_GRACE = 5.0
_STEPS = 10_000
"""Steps of SQLite's virtual machine between two looks at the clock."""


class UnreadableRowsError(WatchkeeperError):
    """A value in the rows cannot be read by the driver, such as a time after the year 9999."""


class ReadOnlyDatabase:
    """A database of somebody else."""

    def __init__(self, url: URL, seconds: float) -> None:
        """Prepare connections. Nothing is connected yet.

        Raises:
            SourceError: the driver is not installed.
        """
        self._url, self._seconds = url, seconds
        self._name = url.render_as_string(hide_password=True)
        self._kind = url.get_backend_name()
        try:
            self._engine = self._make_engine()
        except (ModuleNotFoundError, SQLAlchemyError, WatchkeeperError) as error:
            hint = "install the database's driver for Python"
            raise SourceError(f"{self._name}: {one_line(error)}", hint=hint) from error

    def rows(self, statement: Select[Any]) -> list[Mapping[str, Any]]:
        """The result of a statement.

        Raises:
            SourceError: the database cannot be read now.
            UnreadableRowsError: the driver cannot read a value.
        """
        try:
            return within(self._seconds + _GRACE, lambda: self._read(statement))
        except (DataError, OverflowError, ValueError) as error:
            raise UnreadableRowsError(one_line(error)) from error
        except (SQLAlchemyError, CallTimeoutError) as error:
            cause = getattr(error, "orig", None) or error
            words = one_line(cause)
            raise SourceError(f"{self._name}: {words}", hint=_ADVICE.hint(words)) from error

    def close(self) -> None:
        """Disconnect; never raises."""
        self._engine.dispose()

    def _make_engine(self) -> Engine:
        if self._kind == "postgresql":
            return postgresql.engine_of(self._url.render_as_string(hide_password=False))
        if self._kind == "sqlite":
            return create_engine("sqlite://", creator=self._open_file, poolclass=NullPool)
        if self._kind in MYSQL:
            waits = dict.fromkeys(
                ("connect_timeout", "read_timeout", "write_timeout"), self._seconds + _GRACE
            )
            return create_engine(self._url, poolclass=NullPool, connect_args={"charset": "utf8mb4", **waits})
        return create_engine(self._url, poolclass=NullPool)

    def _open_file(self) -> sqlite3.Connection:
        path = Path(self._url.database or "").absolute()
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=self._seconds)
        connection.text_factory = lambda text: text.decode(errors="replace")
        ends = time.monotonic() + self._seconds
        connection.set_progress_handler(lambda: int(time.monotonic() > ends), _STEPS)
        return connection

    def _read(self, statement: Select[Any]) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            self._limit(connection)
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _limit(self, connection: Connection) -> None:
        if self._kind == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(self._seconds * 1000)}")
        elif self._kind in MYSQL:
            self._limit_mysql(connection)

    def _limit_mysql(self, connection: Connection) -> None:
        """Reads only, no longer than the limit, and times in UTC: a TIMESTAMP has the zone of the session."""
        is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        limit = (
            f"max_statement_time = {self._seconds:g}"
            if is_mariadb
            else f"max_execution_time = {int(self._seconds * 1000)}"
        )
        connection.exec_driver_sql(f"SET SESSION {limit}, time_zone = '+00:00'")
        connection.rollback()  # the mode holds for transactions that begin after it
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.rollback()
