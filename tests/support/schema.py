"""The tables of a store, copied from one that was made before: creating them one by one takes forty times as long."""

import sqlite3
from contextlib import closing
from functools import cache
from tempfile import TemporaryDirectory

from monitor.store.db import Store
from monitor.store.tables import metadata


def create(store: Store) -> Store:
    """Create the tables that a store lacks, and return it."""
    raw = store.engine.raw_connection()
    try:
        driver = raw.driver_connection
        is_plain = isinstance(driver, sqlite3.Connection)  # neither PostgreSQL nor encrypted
        if is_plain and not driver.execute("SELECT 1 FROM sqlite_schema").fetchone():  # type: ignore[union-attr]
            _template().backup(driver)  # type: ignore[arg-type]
            return store
    finally:
        raw.close()
    metadata.create_all(store.engine)
    return store


@cache
def _template() -> sqlite3.Connection:
    kept = sqlite3.connect(":memory:", check_same_thread=False)
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/empty.db")
        metadata.create_all(store.engine)
        store.close()
        with closing(sqlite3.connect(f"{folder}/empty.db")) as made:
            made.backup(kept)
    return kept
