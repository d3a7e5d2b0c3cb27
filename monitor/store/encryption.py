"""Encrypts, decrypts and changes the key of an existing SQLite database, in one step that a crash cannot divide.

All rows are written to a new file beside the database, which is checked and then takes its place. Until then the
database is as it was; a file that an interrupted run has left is deleted by the next one.
"""

from contextlib import closing
from pathlib import Path

from monitor.errors import StoreError
from monitor.store import sqlcipher
from monitor.store.backup import count_rows, ensure_sound, file_store, remove, sync
from monitor.store.restore import ensure_alone
from monitor.store.sqlcipher import is_plain


def convert(path: Path, old: str, new: str) -> bool:
    """Write a database that has the key `old` with the key `new`; an empty key means plain. Stop all daemons first.
    False if it has the key `new` already.

    Raises:
        StoreError: another process uses it, `old` is not its key, or it cannot be written. It is then as it was.
    """
    part = path.with_name(f"{path.name}.converting")
    remove(part)
    if not path.exists():
        raise StoreError(f"no database at {path}", hint="start the daemon first: it creates an encrypted one")
    if _has_key(path, new):
        return False
    try:
        with closing(file_store(path, old)) as store:
            ensure_alone(store)
            counts = count_rows(store)
            ensure_alone(store)
        sqlcipher.export(path, part, old, new)
        with closing(file_store(part, new)) as made:
            ensure_sound(made, part)
            if count_rows(made) != counts:
                raise StoreError(
                    "the database has changed in the meantime", hint="stop all daemons, and run it again"
                )
            ensure_alone(made)
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        remove(part)
    return True


def _has_key(path: Path, key: str) -> bool:
    """Whether a database can be read with a key."""
    if not key or is_plain(path):
        return not key and is_plain(path)
    try:
        with closing(file_store(path, key)) as store, store.read() as connection:
            store.ping(connection)
    except StoreError:
        return False
    return True
