"""Migrations make the tables that the code works with, on SQLite, and say what they do not know."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from monitor.errors import StoreError
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.tables import MODULES, metadata
from tests.support.postgresql import postgresql

ROOM = Path(__file__).parent.parent.parent / "monitor" / "store"


def shape(store: Store) -> dict[str, object]:
    """Columns, keys and indexes of each table, and the revision, as the database tells them."""
    found = inspect(store.engine)
    shapes: dict[str, object] = {}
    for name in found.get_table_names():
        columns = {
            one["name"]: (str(one["type"]), one["nullable"], one["default"])
            for one in found.get_columns(name)
        }
        unique = sorted(one["column_names"] for one in found.get_unique_constraints(name))
        indexes = sorted(
            (str(one["name"]), one["column_names"], one["unique"], str(_predicate(one)))
            for one in found.get_indexes(name)
        )
        checks = sorted(one["sqltext"] for one in found.get_check_constraints(name))
        key = found.get_pk_constraint(name)["constrained_columns"]
        shapes[name] = (columns, key, unique, indexes, found.get_foreign_keys(name), checks)
    with store.read() as connection:
        shapes["revision"] = connection.execute(text("select version_num from alembic_version")).all()
    return shapes


def _predicate(index: ReflectedIndex) -> object:
    """The rows that a partial index holds, in the words of the database."""
    options = index.get("dialect_options", {})
    return options.get("postgresql_where", options.get("sqlite_where"))


def check_new_and_migrated(new: Store, old: Store) -> None:
    migrate(new)
    _upgraded(old, "head")
    assert shape(new) == shape(old)
    for store in (new, old):
        with store.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        store.close()


def test_a_new_and_a_migrated_database_have_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    new = Store(f"sqlite:///{tmp_path}/folder/that/is/new/a.db")
    check_new_and_migrated(new, Store(f"sqlite:///{tmp_path}/b.db"))


def test_a_new_and_a_migrated_postgresql_have_exactly_the_tables_of_the_code() -> None:
    with postgresql() as server:
        server.execute("create database other")
        check_new_and_migrated(Store(server.url), Store(server.url.removesuffix("postgres") + "other"))


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    migrate(store)
    with store.write() as connection:
        connection.execute(
            text("insert into streams values (1, 'acme', 'fraud', 'production', 0, 0, null, 0, '')")
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
    with_tables = {path.stem for path in ROOM.glob("*.py") if "= Table(" in path.read_text()} - {"migrate"}
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
        connection.execute(text("select 1"))  # in a transaction, Alembic commits nothing by itself
        config = Config()
        config.set_main_option("script_location", str(ROOM / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    store.close()
