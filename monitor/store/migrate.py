"""Gives a database the tables of this version: a new one at once, an older one by its migrations, with Alembic."""

import logging
import re
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect

from monitor.errors import StoreError
from monitor.runtime.file_modes import PRIVATE_FOLDER
from monitor.store.db import Store
from monitor.store.tables import metadata

PATIENCE = 600.0
"""Limit in seconds for each statement of a migration, and for the wait for another process's migration."""
_LOCK = int.from_bytes(b"watchkpr", "big")
_SCRIPTS = Path(__file__).parent / "migrations"
_REVISION = re.compile(r'^revision(?:: str)? = "(\w+)"', re.MULTILINE)
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table: the revision that the database is at."""


def migrate(store: Store) -> None:
    """Create the tables of a new database, or apply the migrations that an older one misses.

    Raises:
        StoreError: the database was written by a newer version, cannot be reached, or cannot be created.
    """
    if not is_current(store):
        _upgrade(store)


def is_current(store: Store) -> bool:
    """Whether the database has the tables of this version. Creates the folder of an embedded database.

    Raises:
        StoreError: the database cannot be reached, or its folder cannot be created.
    """
    if store.path is not None:
        _make_folder(store.path.parent)
    return _revision(store) == newest()


def ensure_known(store: Store) -> None:
    """Make sure that no newer version has written the database: this one would not see all of it.

    Raises:
        StoreError: a newer version has.
    """
    current = _revision(store)
    if current is not None and current not in _revisions():
        raise _newer(current)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    except OSError as error:
        hint = "it is the folder of `store.url`: may this user write there?"
        raise StoreError(f"the folder {folder} cannot be created: {error.strerror}", hint=hint) from error


def _revision(store: Store) -> str | None:
    """The revision that the database is at."""
    with store.read() as connection:
        return _revision_of(connection)


def _revision_of(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION.name):
        return None
    return str(connection.execute(_VERSION.select()).scalar())


def newest() -> str:
    """The revision of a database of this version: that of the last migration."""
    return _revision_in(max(_SCRIPTS.glob("versions/v*.py")))


def _revisions() -> set[str]:
    """The revisions of all migrations."""
    return {_revision_in(path) for path in _SCRIPTS.glob("versions/v*.py")}


def _revision_in(path: Path) -> str:
    match = _REVISION.search(path.read_text(encoding="utf-8"))
    assert match, f"{path} has no revision"
    return match[1]


def _newer(revision: str) -> StoreError:
    return StoreError(
        f"the database is at revision {revision}, which this version does not know",
        hint="run the version that wrote it, or a newer one",
    )


def _upgrade(store: Store) -> None:
    with store.write(patience=PATIENCE) as connection:
        if not store.is_sqlite:  # other processes that start now wait here, and then have nothing to do
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        current = _revision_of(connection)
        if current is None:
            _create(connection)
        elif current != newest():
            _apply_migrations(connection, current)


def _create(connection: Connection) -> None:
    """Create all tables as they are now, without the steps of the earlier versions."""
    if connection.dialect.name == "postgresql":
        _use_predicates_of_sqlite()
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=newest()))


def _use_predicates_of_sqlite() -> None:
    """Give partial indexes the same rows on PostgreSQL. Written where they are declared, they would load SQLAlchemy's
    dialect for PostgreSQL, 7 MB, in each daemon on SQLite.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


def _apply_migrations(connection: Connection, current: str) -> None:
    if current not in _revisions():
        raise _newer(current)
    # Alembic takes 50 modules and 11 MB, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
