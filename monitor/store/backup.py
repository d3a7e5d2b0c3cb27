"""Backups: one SQLite file with everything that is stored at one moment, made while daemons write.

Of PostgreSQL, too, a backup is an SQLite file: all rows of one snapshot. It can be restored into either kind of
database (`monitor.store.restore`). A backup has the key of the store.
"""

import math
import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from monitor.errors import InputError, StoreError
from monitor.runtime.file_modes import create_privately, make_private
from monitor.store.db import Store
from monitor.store.integrity import quick_check
from monitor.store.migrate import PATIENCE, is_current, migrate
from monitor.store.rows import write_each
from monitor.store.tables import metadata

Progress = Callable[[int, int], None]
_AT_ONCE = 500
_BESIDE = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: its file, its size in bytes, and the number of rows in all tables."""

    path: Path
    size: int
    rows: int


def quiet(_done: int, _of: int) -> None:
    """No progress is shown."""


def write(store: Store, out: Path, progress: Progress = quiet) -> Backup:
    """Write a backup to `out`, which appears when it is complete and has been checked.

    Raises:
        InputError: `out` exists, or cannot be the name of a database.
        StoreError: the database or the file cannot be used, or the copy is damaged.
    """
    if out.exists():
        raise InputError(f"{out} already exists", hint="use a new file for each backup")
    part = out.with_name(f"{out.name}.part")
    remove(part)
    try:
        if store.is_sqlite:
            _copy_file(store, part)
        else:
            _copy_server(store, part, progress)
        with closing(file_store(part, store.key)) as made:
            ensure_sound(made, out)
            rows = sum(count_rows(made).values())
        sync(part)
        part.replace(out)
        sync(out.parent)
    finally:
        remove(part)
    return Backup(out, out.stat().st_size, rows)


def _copy_file(store: Store, part: Path) -> None:
    """Copy an SQLite database without its free pages. Daemons write on meanwhile."""
    create_privately(part)  # SQLite accepts an empty file
    with closing(store.engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None
        driver.execute("VACUUM INTO ?", (str(part),))
    make_private(part)


def _copy_server(store: Store, part: Path, progress: Progress) -> None:
    if not is_current(store):
        hint = "make the backup with the version that wrote it, or start the daemon of this one, which upgrades it"
        raise StoreError("the database has the tables of another version", hint=hint)
    with closing(file_store(part, store.key)) as made:
        migrate(made)
        with made.write(patience=PATIENCE) as connection:
            copy_rows(store, connection, progress)


def copy_rows(source: Store, writing: Connection, progress: Progress = quiet) -> None:
    """Insert the rows of all tables of one snapshot of `source` into empty tables. Rows that the database cannot hold
    are skipped and reported as faults of its store.
    """
    tables = metadata.sorted_tables
    with source.snapshot(PATIENCE) as reading:
        reading = reading.execution_options(stream_results=True)
        for position, table in enumerate(tables, 1):
            for some in reading.execute(select(table)).mappings().partitions(_AT_ONCE):
                rows = [dict(row) for row in some]
                write_each(writing, table.insert(), rows, table.name, lambda row: str(row)[:80])
            progress(position, len(tables))


def count_rows(store: Store) -> dict[str, int]:
    """The number of rows of each table; a database of an earlier version lacks some of them."""
    with store.snapshot(PATIENCE) as connection:
        there = set(inspect(connection).get_table_names())
        return {
            table.name: int(connection.scalar(select(func.count()).select_from(table)) or 0)
            for table in metadata.sorted_tables
            if table.name in there
        }


def ensure_sound(store: Store, named: Path) -> None:
    """Check every page of a backup.

    Raises:
        StoreError: the file is damaged, or not a database.
    """
    if problems := quick_check(store, math.inf):
        raise StoreError(f"{named} is damaged: {problems[0]}", hint="check the disk, and use another backup")


def file_store(path: Path, key: str = "") -> Store:
    """The store in a file, with its key if it is encrypted.

    Raises:
        InputError: its path cannot be part of a URL.
    """
    if "?" in str(path):
        raise InputError(f"the path {path} contains '?'", hint="use another name")
    return Store(f"sqlite:///{path}", key=key)


def remove(path: Path) -> None:
    """Delete a database with the files that SQLite keeps beside it."""
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
