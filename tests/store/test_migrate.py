"""Migrations make the tables that the code works with, on SQLite, and say what they do not know."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.tables import NOUNS, metadata

ROOM = Path(__file__).parent.parent.parent / "monitor" / "store"


def test_a_migrated_database_has_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/folder/that/is/new/a.db")
    migrate(store)
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    migrate(store)
    with store.write() as connection:
        connection.execute(
            text("insert into streams values (1, 'acme', 'fraud', 'production', 0, 0, null, 0)")
        )
    migrate(store)
    with store.read() as connection:
        assert connection.execute(text("select count(*) from streams")).scalar() == 1


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    migrate(store)
    with store.write() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StoreError, match="revision 9999, which this version does not know"):
        migrate(store)


def test_every_file_with_a_table_is_known_to_the_migrations() -> None:
    with_tables = {path.stem for path in ROOM.glob("*.py") if "= Table(" in path.read_text()}
    assert with_tables == {noun.__name__.rpartition(".")[2] for noun in NOUNS}
