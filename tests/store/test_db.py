"""Transactions of the store."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store.db import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.write() as connection:
        connection.execute(text("create table counts (n integer)"))
        connection.execute(text("insert into counts values (0)"))
    return store


def count(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(text("select n from counts")).scalar_one())


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyError), store.write() as connection:
        connection.execute(text("update counts set n = 5"))
        raise KeyError
    assert count(store) == 0


def test_writers_of_many_threads_wait_for_each_other_and_lose_nothing(store: Store) -> None:
    def add() -> None:
        for _ in range(20):
            with store.write() as connection:
                before = connection.execute(text("select n from counts")).scalar_one()
                connection.execute(text("update counts set n = :n"), {"n": before + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(store) == 80


def test_a_reader_keeps_its_view_while_somebody_writes(store: Store) -> None:
    with store.read() as reading:
        before = reading.execute(text("select n from counts")).scalar_one()
        with store.write() as writing:
            writing.execute(text("update counts set n = 9"))
        assert reading.execute(text("select n from counts")).scalar_one() == before
    assert count(store) == 9


def test_commits_are_synced_to_disk(store: Store) -> None:
    with store.read() as connection:
        assert connection.execute(text("pragma synchronous")).scalar_one() == 2
        assert connection.execute(text("pragma journal_mode")).scalar_one() == "wal"


def test_a_database_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.db").mkdir()
    with pytest.raises(StoreError, match="cannot be used"), Store(f"sqlite:///{tmp_path}/broken.db").read():
        pass
