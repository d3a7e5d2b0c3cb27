"""Restores a backup into the database of the configuration, SQLite or PostgreSQL. No daemon may use it meanwhile."""

import shutil
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, func, select, text

from monitor.errors import InputError, StoreError
from monitor.runtime.file_modes import PRIVATE_FOLDER, create_privately
from monitor.store import sqlcipher
from monitor.store.backup import (
    Progress,
    copy_rows,
    count_rows,
    ensure_sound,
    file_store,
    quiet,
    remove,
    sync,
)
from monitor.store.db import Store
from monitor.store.migrate import PATIENCE, migrate
from monitor.store.tables import metadata
from monitor.visible import counted

_STOP = "stop every daemon that uses it, and close other programs that have it open"
_BUSY_MILLISECONDS = 500


def restore(file: Path, target: Store, *, replaces: bool, progress: Progress = quiet) -> dict[str, int]:
    """Put everything of a backup into a database, and migrate it to this version; the number of rows of each table.

    An SQLite file is replaced in one step, PostgreSQL is filled in one transaction: if this is interrupted, the old
    data is still there. `replaces`: data that is there is deleted.

    Raises:
        InputError: there is no such backup, or the database has data and `replaces` is false.
        StoreError: the backup is damaged, or a daemon uses the database.
    """
    if not file.is_file():
        raise InputError(f"no backup at {file}", hint="make one with: watchkeeper backup FILE")
    if target.is_sqlite:
        assert target.path is not None
        target.path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
        return _into_file(file, target, target.path, replaces=replaces)
    with tempfile.TemporaryDirectory(prefix="watchkeeper-restore-") as folder:
        part = Path(folder) / "backup.db"
        counts = _prepare(file, part, target.key)
        with closing(file_store(part, target.key)) as source:
            _into_server(source, target, replaces=replaces, progress=progress)
    return counts


def _prepare(file: Path, part: Path, key: str) -> dict[str, int]:
    """Copy a backup to `part`, check it, and migrate the copy; the rows of each table."""
    remove(part)
    create_privately(part)
    if key and sqlcipher.is_plain(file):
        sqlcipher.export(file, part, "", key)
    else:
        shutil.copyfile(file, part)
    with closing(file_store(part, key)) as copy:
        ensure_sound(copy, file)
        with copy.read() as connection:
            tables = set(connection.scalars(text("SELECT name FROM sqlite_master")))
        if "alembic_version" not in tables:
            raise InputError(
                f"{file} is not a backup of Watchkeeper", hint="name a file that `watchkeeper backup` wrote"
            )
        migrate(copy)
        counts = count_rows(copy)
        ensure_alone(copy)  # writes the write-ahead log into the file
    sync(part)
    return counts


def _into_file(file: Path, target: Store, path: Path, *, replaces: bool) -> dict[str, int]:
    part = path.with_name(f"{path.name}.restoring")
    try:
        if path.exists():
            ensure_alone(target)
            _ensure_replaceable(target, replaces=replaces)
            target.close()
        counts = _prepare(file, part, target.key)
        if path.exists():
            ensure_alone(target)
            target.close()
        part.replace(path)
        sync(path.parent)
    finally:
        remove(part)
    return counts


def _into_server(source: Store, target: Store, *, replaces: bool, progress: Progress) -> None:
    _ensure_nobody_else(target)
    migrate(target)
    _ensure_replaceable(target, replaces=replaces)
    with target.write(patience=PATIENCE) as connection:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.exec_driver_sql(f"TRUNCATE {names}")
        copy_rows(source, connection, progress)
        _continue_numbers(connection)


def _continue_numbers(connection: Connection) -> None:
    """Numbers of new rows follow those of the restored ones."""
    sequence = text("SELECT pg_get_serial_sequence(:of, :column)")
    setting = text("SELECT setval(:sequence, :last)")
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        named = connection.scalar(sequence, {"of": table.name, "column": column.name})
        highest = connection.scalar(select(func.max(column)))
        if named is not None and highest is not None:
            connection.execute(setting, {"sequence": named, "last": highest})


def ensure_only_user(store: Store) -> None:
    """Check that no daemon and no other program uses a database.

    Raises:
        StoreError: one does.
    """
    if not store.is_sqlite:
        _ensure_nobody_else(store)
        store.close()
    elif store.path is not None and store.path.exists():
        ensure_alone(store)


def is_only_user(store: Store) -> bool:
    """Whether no daemon and no other program uses a database."""
    try:
        ensure_only_user(store)
    except StoreError:
        return False
    return True


def ensure_alone(store: Store) -> None:
    """Write the write-ahead log of an SQLite database into its file, which only works if nobody else has it open.

    Raises:
        StoreError: another process has it open.
    """
    with closing(store.engine.raw_connection()) as connection:
        driver = connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        try:
            (mode,) = driver.execute("PRAGMA journal_mode=DELETE").fetchone()
        except driver.OperationalError as error:
            raise StoreError(f"another process uses {store.path}: {error}", hint=_STOP) from error
        if mode != "delete":
            raise StoreError(f"another process uses {store.path}", hint=_STOP)
    store.close()


def _ensure_nobody_else(store: Store) -> None:
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    with store.read() as connection:
        count = connection.scalar(text(others))
    if count:
        raise StoreError(f"the database has {counted(count, 'other connection')}", hint=_STOP)


def _ensure_replaceable(store: Store, *, replaces: bool) -> None:
    if replaces:
        return
    try:
        is_empty = not any(count_rows(store).values())
    except StoreError:
        is_empty = False  # of another version, or damaged
    if not is_empty:
        raise InputError("the database already has data", hint="add --replace to delete it")
