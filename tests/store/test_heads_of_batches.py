"""The first bytes of stored batches, which tell how large they are: the same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from monitor.clock import ManualClock
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.batch import decode, decoded_size
from monitor.predictions.log.compaction import compact
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Window
from monitor.store import outcomes, predictions, uncounted_batches
from monitor.store.checksums import HEAD
from monitor.store.db import Store
from monitor.store.outcomes import OUTCOMES
from monitor.store.predictions import BATCHES
from tests.support import schema
from tests.support.joining import join
from tests.support.log import NOW, STREAM, outcome, prediction, send
from tests.support.postgresql import postgresql

START = NOW // 60 * 60 - 120


@contextmanager
def logging(store: Store) -> Iterator[PredictionLog]:
    schema.create(store)
    log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
    log.start()
    try:
        yield log
    finally:
        log.stop()
        store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[PredictionLog, Store]]:
    if request.param == "sqlite":
        store = Store(f"sqlite:///{tmp_path}/a.db")
        with logging(store) as log:
            yield log, store
        return
    with postgresql() as server:
        store = Store(server.url)
        with logging(store) as log:
            yield log, store


def filled(log: PredictionLog, store: Store) -> None:
    """Small and large batches of a window, counted and matched, and outcomes that nobody waits for."""
    for number, rows in enumerate((1, 3, 2000)):
        sent: list[Any] = [
            prediction(id=f"p{number}-{n}", timestamp=START + 1, features={"word": f"{n}" * 9})
            for n in range(rows)
        ]
        send(log, RecordKind.PREDICTIONS, sent)
        send(log, RecordKind.OUTCOMES, [outcome(id=f"unknown{number}-{n}", truth="ok") for n in range(rows)])
    with store.write() as connection:
        predictions.mark_counted(
            connection, [one.id for one in uncounted_batches.oldest(connection, STREAM).batches]
        )


def blobs(store: Store, table: Any) -> dict[int, bytes]:
    with store.read() as connection:
        return {row.id: row.blob for row in connection.execute(select(table.c.id, table.c.blob))}


def test_the_head_of_a_batch_is_its_first_bytes_and_says_its_size(
    running: tuple[PredictionLog, Store],
) -> None:
    log, store = running
    filled(log, store)
    expected = blobs(store, OUTCOMES)
    with store.read() as connection:
        pending = outcomes.pending(connection, STREAM, waiting=False)
    assert {one.id: one.head for one in pending} == {number: blob[:HEAD] for number, blob in expected.items()}
    sizes = {number: decoded_size(blob) for number, blob in expected.items()}
    assert {one.id: decoded_size(one.head) for one in pending} == sizes
    assert len(sizes) == 3
    assert min(sizes.values()) > 100
    with store.write() as connection:
        join(connection, STREAM, NOW)
    expected = blobs(store, BATCHES)
    with store.read() as connection:
        settled = predictions.settled(connection, STREAM, Window(START, START + 60))
        waiting = outcomes.pending(connection, STREAM, waiting=True)
    assert {number: head for number, _, head in settled} == {
        number: blob[:HEAD] for number, blob in expected.items()
    }
    assert sorted(rows for _, rows, _ in settled) == [1, 3, 2000]
    assert sum(one.rows for one in waiting) == 2004
    assert compact(store, NOW) == 2
    [merged] = blobs(store, BATCHES).values()
    assert decode(merged).num_rows == 2004


def test_the_head_of_a_damaged_batch_says_nothing(running: tuple[PredictionLog, Store]) -> None:
    log, store = running
    filled(log, store)
    with store.write() as connection:
        join(connection, STREAM, NOW)
    for damaged in (b"", b"\0", b"\xc1WKS"):
        with store.write() as connection:
            connection.execute(update(OUTCOMES).values(blob=damaged))
            connection.execute(update(BATCHES).values(blob=damaged))
        with store.read() as connection:
            pending = outcomes.pending(connection, STREAM, waiting=True)
            settled = predictions.settled(connection, STREAM, Window(START, START + 60))
        heads = [one.head for one in pending] + [head for *_, head in settled]
        assert len(heads) > len(settled) == 3
        assert set(heads) == {damaged}
        assert {decoded_size(head) for head in heads} == {0}
