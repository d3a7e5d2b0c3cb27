"""Transactions of the store."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from monitor.errors import StoreError
from monitor.store.db import Store
from tests.support.thorough import THOROUGH


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


def unusable(path: Path) -> StoreError:
    with pytest.raises(StoreError, match="cannot be used") as caught, Store(f"sqlite:///{path}").read():
        pass
    return caught.value


def test_a_database_that_cannot_be_opened_says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "broken.db").mkdir()
    assert "may this user write there" in unusable(tmp_path / "broken.db").hint


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_text("Dear reader, " * 1000, encoding="utf-8")
    error = unusable(tmp_path / "letter.db")
    assert "not a database" in error.message
    assert "names a file that is not a database" in error.hint


def test_a_damaged_database_is_told_apart_from_a_mistake_of_ours(store: Store) -> None:
    store.close()
    assert store.path is not None
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StoreError, match="malformed") as caught:
        count(store)
    assert "backup" in caught.value.hint
    with pytest.raises(DatabaseError, match="UNIQUE"), Store("sqlite://").write() as connection:
        connection.execute(text("create table t (n integer primary key)"))
        connection.execute(text("insert into t values (1), (1)"))


ABANDONED = """
import sys, threading, time
from sqlalchemy import text
from monitor.store.db import Store

store = Store(sys.argv[1])
LONG = "with recursive n(i) as (select 1 union all select i + 1 from n limit 300000) select i from n"

def work(write):
    while True:
        try:
            with (store.write() if write else store.read()) as connection:
                for row in connection.execute(text(LONG)):
                    pass
        except Exception:
            return

def hold():
    with store.read() as connection:
        connection.execute(text("select 1"))
        time.sleep(30)

for target, arguments in [(work, (False,)), (work, (False,)), (work, (True,)), (hold, ())]:
    threading.Thread(target=target, args=arguments, daemon=True).start()
time.sleep(0.05)
store.abandon()
sys.exit(0)
"""


def test_a_store_that_is_left_while_threads_use_it_does_not_crash_the_process(
    store: Store, tmp_path: Path
) -> None:
    with store.write() as connection:
        connection.execute(text("update counts set n = 7"))
    for _ in range(6 if THOROUGH else 2):
        done = subprocess.run(
            [sys.executable, "-c", ABANDONED, str(store.url)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert count(store) == 7
