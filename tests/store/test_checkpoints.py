"""The thread that copies SQLite's write-ahead log into the database."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from monitor.errors import StoreError
from monitor.store.checkpoints import FULL_LOG, Checkpoints
from monitor.store.db import Store
from monitor.store.sqlite import leave_checkpoints
from tests.support.waiting import until

PAGE = 4096
FILES = Path("/dev/fd")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    with store.write() as connection:
        connection.execute(text("create table rows (n integer primary key, content blob)"))
    yield store
    store.close()


def write(store: Store, pages: int, commits: int = 1) -> None:
    for _ in range(commits):
        with store.write() as connection:
            content = os.urandom(pages * PAGE - 200)
            connection.execute(text("insert into rows (content) values (:content)"), {"content": content})


def size(store: Store, suffix: str = "") -> int:
    """The pages of the database file, or of its log."""
    assert store.path is not None
    return store.path.with_name(store.path.name + suffix).stat().st_size // PAGE


def pages_in_log(store: Store) -> int:
    return store.checkpoint()[0]


def test_commits_copy_nothing_once_a_thread_does(store: Store) -> None:
    leave_checkpoints(store.engine)
    write(store, FULL_LOG // 4, commits=6)
    assert size(store) < 10
    store.checkpoint()
    assert size(store) > FULL_LOG


def test_a_log_that_is_copied_is_begun_anew(store: Store) -> None:
    leave_checkpoints(store.engine)
    checkpoints = Checkpoints(store)
    write(store, FULL_LOG // 4, commits=6)
    assert pages_in_log(store) > FULL_LOG
    write(store, FULL_LOG // 4, commits=6)
    checkpoints.copy()
    write(store, 10)
    assert pages_in_log(store) < 100


def test_a_read_keeps_its_view_and_the_log_until_it_ends(store: Store) -> None:
    leave_checkpoints(store.engine)
    checkpoints = Checkpoints(store)
    with store.read() as reading:
        before = reading.execute(text("select count(*) from rows")).scalar_one()
        write(store, FULL_LOG // 4, commits=6)
        checkpoints.copy()
        write(store, 10)
        assert pages_in_log(store) > FULL_LOG
        assert reading.execute(text("select count(*) from rows")).scalar_one() == before
    checkpoints.copy()
    write(store, 10)
    assert pages_in_log(store) < 100


def test_the_log_stays_short_while_several_threads_write_and_nothing_is_lost(store: Store) -> None:
    checkpoints = Checkpoints(store)
    checkpoints.start()
    longest = [0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            longest[0] = max(longest[0], size(store, "-wal"))

    threads = [threading.Thread(target=write, args=(store, 50, 200)) for _ in range(4)]
    watcher = threading.Thread(target=watch)
    for thread in (*threads, watcher):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    watcher.join()
    checkpoints.stop()
    assert 0 < longest[0] < 30_000  # 40,000 pages were written
    with store.read() as connection:
        assert connection.execute(text("select count(*) from rows")).scalar_one() == 800
        assert connection.execute(text("pragma integrity_check")).scalar_one() == "ok"


def test_syncing_opens_no_file_because_closing_it_would_release_sqlites_locks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.path is not None
    write(store, 10)
    number = store.path.stat().st_ino
    synced = []

    def opened() -> set[str]:
        return {file.name for file in FILES.iterdir() if file.exists() and file.stat().st_ino == number}

    def fsync(descriptor: int) -> None:
        assert opened() == before
        synced.append(str(descriptor))

    before = opened()
    monkeypatch.setattr(os, "fsync", fsync)
    store.sync()
    assert len(synced) == 1
    assert set(synced) <= before


class Failing(Store):
    """Its log cannot be copied."""

    fails = True

    def checkpoint(self, *, alone: bool = False) -> tuple[int, int]:
        if self.fails:
            raise StoreError("database or disk is full")
        return super().checkpoint(alone=alone)


def test_a_log_that_cannot_be_copied_is_reported_and_commits_go_on(tmp_path: Path) -> None:
    store = Failing(f"sqlite:///{tmp_path}/a.db")
    with store.write() as connection:
        connection.execute(text("create table rows (n integer primary key, content blob)"))
    checkpoints = Checkpoints(store)
    checkpoints.start()
    write(store, 10, commits=200)
    until(lambda: [fault.part for fault in store.faults.active()] == ["database"], "the fault")
    store.fails = False
    write(store, 10, commits=200)
    until(lambda: not store.faults.active(), "its end")
    checkpoints.stop()
    store.close()


def test_a_database_in_memory_has_no_thread() -> None:
    checkpoints = Checkpoints(Store("sqlite://"))
    threads = threading.active_count()
    checkpoints.start()
    checkpoints.stop()
    assert threading.active_count() == threads
