"""Logs that are rotated, and objects that are gone: nothing is read twice, and nothing is kept forever."""

import os
import shutil
import time
from pathlib import Path

import pytest

from monitor.sources.objects.objects import shard_of
from monitor.store import source_positions
from monitor.store.db import Store
from tests.sources.objects.test_objects import old, running, section, write
from tests.support.source_checks import record, records, stored
from tests.support.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "captures"
    made.mkdir()
    return made


def by_renaming(path: Path, rest: list[bytes]) -> None:
    shutil.move(path, f"{path}.1")
    write(Path(f"{path}.1"), *rest)  # the program goes on to write to the open file


def by_copying(path: Path, rest: list[bytes]) -> None:
    write(path, *rest)
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)


@pytest.mark.parametrize(("rotate", "first"), [(by_renaming, 1), (by_copying, 5)])
def test_a_rotated_log_whose_new_name_matches_is_read_on_and_not_again(
    folder: Path, store: Store, rotate: object, first: int
) -> None:
    path = folder / "current.log"
    with running(store, section(f"{folder}/*.log*")):
        write(path, *records(0, first))
        until(lambda: stored(store) == first, "the first ones are stored")
        write(path, *records(first, 20))
        until(lambda: stored(store) == 20, "the log has grown")
    rotate(path, records(20, 23))  # type: ignore[operator]  # while nobody looks
    write(path, *records(23, 30))
    with running(store, section(f"{folder}/*.log*")):
        until(lambda: stored(store) >= 30, "the rest of the old one and the new one are stored")
        shutil.move(f"{path}.1", f"{path}.2")
        by_renaming(path, records(30, 31))
        write(path, *records(31, 33))
        until(lambda: stored(store) >= 33, "and after the next rotation")
    assert stored(store) == 33


def test_objects_with_the_same_content_are_objects_of_their_own(folder: Path, store: Store) -> None:
    line = b'{"client": "acme", "model": "fraud", "prediction": "ok"}'
    write(folder / "a.jsonl", line)
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 1, "the first is stored")
        write(folder / "b.jsonl", line)
        until(lambda: stored(store) == 2, "the second one as well")


def test_the_positions_of_objects_that_are_gone_are_forgotten_after_a_while(
    folder: Path, store: Store
) -> None:
    for name in ("a", "b", "c"):
        write(folder / f"{name}.jsonl", record(ord(name)))
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 3, "all are stored")
    (folder / "a.jsonl").unlink()
    (folder / "b.jsonl").unlink()
    table = source_positions.SOURCE_POSITIONS
    with store.write() as connection:
        long_ago = table.update().values(updated_at=time.time() - 8 * 86_400)
        connection.execute(long_ago.where(table.c.shard != shard_of(str(folder / "b.jsonl"))))
    with running(store, section(str(folder))):

        def kept() -> set[str]:
            with store.read() as connection:
                return set(source_positions.load(connection, "orders"))

        until(
            lambda: kept() == {str(folder / "b.jsonl"), str(folder / "c.jsonl")}, "the old one is forgotten"
        )


def test_a_damaged_position_keeps_no_other_object_waiting(folder: Path, store: Store) -> None:
    write(folder / "a.jsonl", record(0))
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 1, "it is stored")
    with store.write() as connection:
        connection.execute(source_positions.SOURCE_POSITIONS.update().values(position="7 x"))
    write(folder / "b.jsonl", record(1))
    old(folder / "b.jsonl")
    with running(store, section(str(folder))) as source:
        until(lambda: stored(store) == 2, "the other is stored")
        until(lambda: "is damaged" in source.state().error, "it is told")
