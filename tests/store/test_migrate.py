"""Migrations make the tables that the code works with, on SQLite, and say what they do not know."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.tables import MODULES, metadata
from tests.support.postgresql import postgresql

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
    assert with_tables == {noun.__name__.rpartition(".")[2] for noun in MODULES}


@pytest.mark.parametrize("begins_at", ["", "0001"])
def test_five_that_start_at_once_on_one_postgresql_share_the_migration(begins_at: str) -> None:
    with postgresql() as server:
        if begins_at:
            _upgraded(Store(server.url), begins_at)
        stores = [Store(server.url) for _ in range(5)]
        together = threading.Barrier(len(stores))

        def start(store: Store) -> None:
            together.wait()
            migrate(store)

        with ThreadPoolExecutor(len(stores)) as pool:
            for done in [pool.submit(start, store) for store in stores]:
                done.result()
        with stores[0].read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        for store in stores:
            store.close()


def _upgraded(store: Store, revision: str) -> None:
    with store.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(ROOM / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    store.close()
