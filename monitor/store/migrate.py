"""Brings the database to the tables that this version works with (Alembic)."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.errors import StoreError
from monitor.store.db import Store

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(store: Store) -> None:
    """Apply the migrations that the database does not have yet; does nothing on an up-to-date one.

    Raises:
        StoreError: the database was written by a newer version.
    """
    if store.path is not None:
        store.path.parent.mkdir(parents=True, exist_ok=True)
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
