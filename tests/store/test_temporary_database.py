"""Databases of load tests: empty, deleted at the end. What a killed process leaves is deleted, what is in use stays."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import inspect

from monitor.config.root import Config
from monitor.doctor import examine
from monitor.errors import InputError, StoreError
from monitor.store import streams
from monitor.store.db import Store
from monitor.store.migrate import is_current, migrate
from monitor.store.temporary_database import delete_abandoned, scratch
from tests.support import fork_server
from tests.support.log import NOW, STREAM
from tests.support.postgresql import Server, postgresql
from tests.support.waiting import until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as running:
        yield running


def schemas(store: Store) -> set[str]:
    with store.read() as connection:
        return {name for name in inspect(connection).get_schema_names() if "loadtest" in name}


def killed(server: Server, file: Path) -> Store:
    """The store of a process that was killed."""
    process = fork_server.start("tests.support.scratch_process", server.url, str(file))
    try:
        until(lambda: file.exists() and file.read_text(), "it has its database")
    finally:
        process.kill()
        process.wait(300)
    return Store(file.read_text())


@contextmanager
def in_use(store: Store, given: str = "") -> Iterator[Store]:
    with scratch(store, given) as made:
        yield made.store


def test_it_is_an_empty_schema_of_the_same_database_that_nobody_else_sees(server: Server) -> None:
    with closing(Store(server.url)) as store:
        migrate(store)
        with in_use(store) as made:
            assert len(schemas(store)) == 1
            assert is_current(made)
            with made.write() as connection:
                streams.key(connection, STREAM, NOW)
            with store.read() as connection:
                assert streams.streams(connection) == []
        assert schemas(store) == set()
        assert is_current(store)


def test_what_a_killed_process_left_is_deleted_and_what_is_in_use_is_not(
    server: Server, tmp_path: Path
) -> None:
    with ExitStack() as ends:
        store = ends.enter_context(closing(Store(server.url)))
        mine = ends.enter_context(in_use(store))
        with closing(killed(server, tmp_path / "one")) as left:
            assert is_current(left), "it stays with its tables"
        assert len(schemas(store)) == 2
        until(lambda: delete_abandoned(store, time.time()) == 1, "the server has freed its lock")
        server.execute("create schema loadtest_watchkeeper_of_somebody")
        ends.callback(server.execute, "drop schema loadtest_watchkeeper_of_somebody")
        assert delete_abandoned(store, time.time()) == 0
        assert is_current(mine)
        assert len(schemas(store)) == 2


def test_the_next_one_deletes_it(server: Server, tmp_path: Path) -> None:
    with closing(Store(server.url)) as store:
        killed(server, tmp_path / "one").close()

        def beside_the_next() -> int:
            with in_use(store):
                return len(schemas(store)) - 1

        until(lambda: beside_the_next() == 0, "it is deleted")


def test_the_doctor_deletes_it_and_says_so(server: Server, tmp_path: Path) -> None:
    with closing(Store(server.url)) as store:
        killed(server, tmp_path / "one").close()
        config = Config.model_validate({"store": {"url": server.url}, "web": {"listen": "127.0.0.1:0"}})

        def told() -> list[str]:
            return [one.detail for one in examine(config) if one.what == "killed load tests"]

        until(lambda: told() == ["databases that they left: 1 deleted"], "it is deleted")
        assert schemas(store) == set()
        assert told() == []


def test_a_user_who_may_create_no_schema_is_told_and_another_database_can_be_named(server: Server) -> None:
    server.execute("create role reader login")
    server.execute("create database other owner reader")
    theirs = server.url.replace("postgres@", "reader@")
    with closing(Store(theirs)) as store:
        with pytest.raises(StoreError, match="permission denied") as raised, in_use(store):
            pass
        assert "CREATE" in raised.value.hint
        with in_use(store, theirs.removesuffix("postgres") + "other") as made:
            assert made.url.database == "other"
            assert is_current(made)


def test_only_folders_of_processes_that_have_ended_are_deleted(tmp_path: Path) -> None:
    with closing(Store(f"sqlite:///{tmp_path}/watch.db")) as store, scratch(store) as used:
        abandoned, elsewhere = tmp_path / ".loadtest-abandoned", tmp_path / "data"
        abandoned.mkdir()
        elsewhere.mkdir()
        (tmp_path / ".loadtest-link").symlink_to(elsewhere)
        (tmp_path / ".loadtest-file").write_text("")
        now = abandoned.stat().st_mtime
        assert delete_abandoned(store, now + 10) == 0
        assert abandoned.exists(), "it may be one that is not locked yet"
        assert delete_abandoned(store, now + 3600) == 1
        left = {path.name for path in tmp_path.glob("*")} - {used.folder.name}
        assert used.folder.exists()
        assert left == {".loadtest-file", ".loadtest-link", "data"}


def test_another_database_has_to_be_postgresql(tmp_path: Path) -> None:
    with (
        closing(Store(f"sqlite:///{tmp_path}/watch.db")) as store,
        pytest.raises(InputError, match="PostgreSQL"),
        scratch(store, f"sqlite:///{tmp_path}/other.db"),
    ):
        pass
