"""A database for as long as the process lives that made it: beside an SQLite store, or as a schema in PostgreSQL.

A process that is killed leaves it behind. Its lock has ended then, and the next one deletes it.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema, DropSchema

from monitor.errors import InputError, StoreError
from monitor.store import errors
from monitor.store.db import Store
from monitor.store.migrate import migrate

_FOLDER = ".loadtest-"
_SCHEMA = "loadtest_watchkeeper_"
_OURS = re.compile(f"{_SCHEMA}[0-9a-f]{{16}}")
_UNLOCKED = 60.0
"""Seconds after which a folder that nobody has locked is one of a process that was killed."""
_OF_MINE = "SELECT nspname FROM pg_namespace WHERE pg_has_role(nspowner, 'USAGE')"


@dataclass(frozen=True, slots=True)
class TemporaryDatabase:
    """An empty database, and a folder for files."""

    folder: Path
    store: Store


@contextmanager
def scratch(like: Store, given: str = "") -> Iterator[TemporaryDatabase]:
    """An empty database like another one: on the same disk, encrypted if that is; with PostgreSQL, a schema of its own
    in the same database. Deleted at the end, as is what killed processes have left there.

    `given` is the URL of a PostgreSQL database to make the schema in instead.

    Raises:
        InputError: `given` is not the URL of a PostgreSQL database.
        StoreError: the database is out of reach, or the schema cannot be created in it.
    """
    with ExitStack() as ends:
        server = ends.enter_context(contextlib.closing(Store(given))) if given else like
        if given and server.is_sqlite:
            raise InputError("the other database is not PostgreSQL", hint="postgresql://user@host/database")
        delete_abandoned(server, time.time())
        folder = ends.enter_context(_folder(_beside(server)))
        url = f"sqlite:///{folder}/loadtest.db" if server.is_sqlite else ends.enter_context(_schema(server))
        store = Store(url, key=secrets.token_hex(32) if server.key else "")
        ends.callback(store.close)
        migrate(store)
        yield TemporaryDatabase(folder, store)


def delete_abandoned(store: Store, now: float) -> int:
    """Delete the databases beside a store, or in it, whose processes were killed: nobody holds their lock. How many.

    Raises:
        StoreError: the database is out of reach.
    """
    deleted = sum(_delete_folder(folder, now) for folder in _beside(store).glob(f"{_FOLDER}*"))
    if store.is_sqlite:
        return deleted
    with store.read() as connection:
        names = sorted(filter(_OURS.fullmatch, connection.exec_driver_sql(_OF_MINE).scalars()))
    return deleted + sum(_delete_schema(store, name) for name in names)


def _beside(store: Store) -> Path:
    """The folder for files: that of an SQLite database."""
    file = store.path
    return file.parent if file is not None and file.parent.is_dir() else Path(tempfile.gettempdir())


@contextmanager
def _folder(beside: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=beside)).absolute()
    in_use = _locked(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if in_use is not None:
            os.close(in_use)


def _delete_folder(folder: Path, now: float) -> bool:
    """Delete a folder unless it is in use, or may be: it is older than the moment between making and locking one."""
    with contextlib.suppress(OSError):
        status = folder.lstat()
        if folder.is_dir() and status.st_uid == os.getuid() and status.st_mtime <= now - _UNLOCKED:
            lock = None if folder.is_symlink() else _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
                return True
    return False


def _locked(folder: Path) -> int | None:
    """A lock on a folder, which ends with the process. None if another process holds it, or the disk knows no locks."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened


@contextmanager
def _schema(server: Store) -> Iterator[str]:
    """The URL of a new schema. It is locked before it is there, so that it is never taken for an abandoned one."""
    name = f"{_SCHEMA}{secrets.token_hex(8)}"
    options = f"{server.url.query.get('options', '')} -csearch_path={name}".strip()
    with server.session() as session:
        session.exec_driver_sql(f"SELECT pg_advisory_lock({_lock(name)})")
        try:
            session.execute(CreateSchema(name))
        except DBAPIError as error:
            hint = "grant the user the right CREATE on the database, or name another database"
            raise StoreError(errors.unusable(error).message, hint=hint) from error
        try:
            yield server.url.update_query_dict({"options": options}).render_as_string(hide_password=False)
        finally:
            with contextlib.suppress(
                *errors.foreign()
            ):  # in use, or the server is gone: the next one deletes it
                session.execute(DropSchema(name, cascade=True, if_exists=True))


def _delete_schema(store: Store, name: str) -> bool:
    """Delete a schema if no process holds its lock, or is deleting it."""
    with contextlib.suppress(StoreError), store.session() as session:
        is_free = session.exec_driver_sql(f"SELECT pg_try_advisory_lock({_lock(name)})").scalar_one()
        if is_free and inspect(session).has_schema(name):
            session.execute(DropSchema(name, cascade=True))
            return True
    return False


def _lock(name: str) -> int:
    """The number of a schema's advisory lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
