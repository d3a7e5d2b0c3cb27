"""SQLite with encrypted pages: SQLCipher's driver, and the checks of its key."""

from contextlib import closing
from pathlib import Path
from typing import Any

from monitor.errors import StoreError
from monitor.runtime.file_modes import create_privately

_PLAIN = b"SQLite format 3\0"
_NOT_A_DATABASE = 26


def driver() -> Any:
    """The driver, a module as `sqlite3`.

    Raises:
        StoreError: it is not installed.
    """
    try:
        from sqlcipher3 import dbapi2
    except ModuleNotFoundError as error:
        hint = "pip install 'watchkeeper[encryption]'"
        raise StoreError(f"store.key needs {error.name}, which is not installed", hint=hint) from error
    return dbapi2


def open_with(connection: Any, key: str) -> None:
    """Give a new connection its key, 64 hexadecimal digits. Whether it is the right one shows at the first page."""
    connection.execute("PRAGMA cipher_log_level = NONE")  # of wrong keys, on standard error
    connection.execute(f"PRAGMA key = \"x'{key}'\"")


def is_plain(path: Path) -> bool:
    """Whether a file is an SQLite database that is not encrypted. A new, empty file is neither."""
    try:
        with path.open("rb") as file:
            return file.read(len(_PLAIN)) == _PLAIN
    except OSError:
        return False


def explained(error: BaseException, path: Path | None, *, has_key: bool) -> StoreError | None:
    """What a driver's error at the first page means for the key; None if it is another error."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF != _NOT_A_DATABASE or path is None:
        return None
    if has_key and is_plain(path):
        hint = "encrypt it with: watchkeeper store encrypt"
        return StoreError(f"the database {path} is not encrypted, but store.key is set", hint=hint)
    if has_key:
        hint = "put the key that it was encrypted with into the file of store.key"
        return StoreError(f"store.key is not the key of the database {path}", hint=hint)
    return None


def export(source: Path, target: Path, old: str, new: str) -> None:
    """Write all of a database to a new file with another key.

    Raises:
        StoreError: SQLCipher is not installed.
    """
    create_privately(target)
    with closing(driver().connect(str(source), isolation_level=None)) as connection:
        if old:
            open_with(connection, old)
        key = f"x'{new}'" if new else ""
        connection.execute(f'ATTACH ? AS target KEY "{key}"', (str(target),))
        connection.execute("PRAGMA target.synchronous = OFF")  # it is synced as a whole
        connection.execute("PRAGMA target.journal_mode = OFF")
        connection.execute("SELECT sqlcipher_export('target')")
        version = connection.execute("PRAGMA main.user_version").fetchone()[0]
        connection.execute(f"PRAGMA target.user_version = {version}")
        connection.execute("DETACH target")
