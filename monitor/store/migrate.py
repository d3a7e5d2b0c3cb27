"""Brings the database to the tables that this version works with (Alembic)."""

import logging
import re
from pathlib import Path

from sqlalchemy import inspect

from monitor.errors import StoreError
from monitor.store.db import Store

_SCRIPTS = Path(__file__).parent / "migrations"
_REVISION = re.compile(r'^revision(?:: str)? = "(\w+)"', re.MULTILINE)


def migrate(store: Store) -> None:
    """Apply the migrations that the database does not have yet; does nothing on an up-to-date one.

    Raises:
        StoreError: it was written by a newer version, or there can be none at this place.
    """
    if store.path is not None:
        _make_folder(store.path.parent)
    if _revision(store) != _newest():
        _upgrade(store)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "`store.url` names it: may this user write there?"
        raise StoreError(f"the folder {folder} cannot be made: {error.strerror}", hint=hint) from error


def _revision(store: Store) -> str | None:
    """The revision that the database is at."""
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


def _newest() -> str:
    """The revision of the last migration, by its file: each says its own."""
    last = max(_SCRIPTS.glob("versions/v*.py"))
    found = _REVISION.search(last.read_text(encoding="utf-8"))
    assert found, f"{last} does not say its revision"
    return found[1]


def _upgrade(store: Store) -> None:
    # Alembic is 50 modules and 11 MB, and most starts of a daemon have nothing to change.
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    with store.write() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == scripts.get_current_head():
            return
        if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
            raise StoreError(
                f"the database is at revision {current}, which this version does not know",
                hint="run the version that wrote it, or a newer one",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
