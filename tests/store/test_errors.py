"""Whose fault an error of the database is, by making the databases raise them."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from monitor.errors import StoreError
from monitor.store.db import Store
from tests.support.postgresql import Server, postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as running:
        running.execute("create table counts (n integer primary key, word varchar(4))")
        running.execute("insert into counts values (0, '')")
        yield running


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    store = Store(server.url)
    yield store
    store.close()


def write(store: Store, statement: str = "update counts set n = n") -> None:
    with store.write() as connection:
        connection.execute(text(statement))


def test_what_a_postgresql_does_when_it_fails_over_is_the_stores_and_passes(
    server: Server, store: Store
) -> None:
    write(store)
    server.execute("alter system set default_transaction_read_only = on")
    server.execute("select pg_reload_conf()")
    with pytest.raises(StoreError, match="read-only transaction") as caught:
        _until_raises(store)
    assert caught.value.public == "the database cannot be used"
    assert "primary" in caught.value.hint
    assert store.condition.reason
    server.execute(
        "set default_transaction_read_only = off; alter system reset default_transaction_read_only"
    )
    server.execute("select pg_reload_conf()")
    _until_works(store)


def _until_raises(store: Store) -> None:
    for _ in range(500):
        write(store)


def _until_works(store: Store) -> None:
    for attempt in range(500):
        try:
            return write(store)
        except StoreError:
            assert attempt < 499
    return None


def test_sessions_that_an_administrator_ends_are_the_stores(server: Server, store: Store) -> None:
    end = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename is not null"
    with pytest.raises(StoreError, match="cannot be used"), store.write() as connection:
        server.execute(end)
        connection.execute(text("update counts set n = n"))
    write(store)
    with pytest.raises(StoreError), store.read() as connection:
        server.execute(end)
        connection.execute(text("select 1"))
    write(store)


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("alter table counts rename to away", "alter table away rename to counts"),
        ("alter table counts rename n to m", "alter table counts rename m to n"),
    ],
)
def test_tables_that_are_not_there_are_the_stores(
    server: Server, store: Store, broken: str, mended: str
) -> None:
    server.execute(broken)
    with pytest.raises(StoreError, match="does not exist"):
        write(store)
    server.execute(mended)
    write(store)


def test_a_revoked_right_and_a_full_server_are_the_stores(server: Server) -> None:
    server.execute("create role daemon login connection limit 1; grant all on counts to daemon")
    store = Store(server.url.replace("postgres@", "daemon@"))
    write(store)
    other = Store(server.url.replace("postgres@", "daemon@"))
    with pytest.raises(StoreError, match="too many connections"):
        write(other)
    server.execute("revoke all on counts from daemon")
    with pytest.raises(StoreError, match="permission denied"):
        write(store)
    server.execute("grant all on counts to daemon")
    write(store)
    store.close()
    other.close()


def test_a_lock_of_somebody_else_and_a_deadlock_are_the_stores(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store(server.url)
    with other.write() as holding:
        holding.execute(text("lock table counts"))
        with pytest.raises(StoreError, match="lock timeout"), store.write() as connection:
            connection.execute(text("set local lock_timeout = '100ms'"))
            connection.execute(text("update counts set n = n"))
    with pytest.raises(StoreError, match="statement timeout"), store.write() as connection:
        connection.execute(text("set local statement_timeout = '100ms'"))
        connection.execute(text("select pg_sleep(5)"))
    write(store)
    other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into counts values (0, '')",
        "update counts set word = 'longer'",
        "select 1 / 0",
        "select nonsense from from",
        "select cast(99999999999 as integer)",
        "select cast('x' as integer)",
        "select (select 1 union select 2)",
    ],
)
def test_what_comes_of_values_and_statements_is_ours(store: Store, statement: str) -> None:
    with pytest.raises(DBAPIError):
        write(store, statement)
    assert not store.condition.reason


def test_a_value_that_the_driver_cannot_send_is_ours(store: Store) -> None:
    with pytest.raises(DBAPIError), store.write() as connection:
        connection.execute(text("select cast(:word as text)"), {"word": "a\0b"})


def test_a_server_that_is_stopped_is_noticed_within_seconds_by_all_that_wait(
    server: Server, store: Store
) -> None:
    with store.read() as connection:
        connection.execute(text("select 1"))
        server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(StoreError, match=r"has not answered|timeout expired"):
                write(store)
            with pytest.raises(DBAPIError, match="has not answered"):
                connection.execute(text("select 1"))
            assert time.monotonic() - began < 100
        finally:
            server.thaw()
    _until_works(store)


@pytest.mark.parametrize(
    ("statement", "is_database_fault"),
    [
        ("insert into counts values (0)", False),
        ("select abs(-9223372036854775808)", False),
        ("select nonsense from from", False),
        ("select zeroblob(2000000000)", False),
        ("select * from nowhere", True),
    ],
)
def test_the_same_on_sqlite(tmp_path: Path, statement: str, is_database_fault: bool) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    write(store, "create table counts (n integer primary key)")
    write(store, "insert into counts values (0)")
    with pytest.raises(StoreError if is_database_fault else DBAPIError), store.read() as connection:
        connection.execute(text(statement))
    store.close()


def test_a_full_sqlite_is_the_stores_until_there_is_room(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    write(store, "create table counts (word text)")
    with store.engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count = 3")
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
    with pytest.raises(StoreError, match="is full"):
        write(store, "insert into counts values (hex(zeroblob(100000)))")
    assert "is full" in store.condition.reason
    store.close()
