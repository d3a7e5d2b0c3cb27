"""Batches that wait to be counted are read oldest first, and a backlog little by little."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from monitor.predictions.log.batch import encode
from monitor.records import Stream, Window
from monitor.store import predictions, uncounted_batches
from monitor.store.db import Store
from monitor.store.predictions import NewBatch
from tests.support import schema

STREAM = Stream("acme", "fraud")
WAITING, PER_WINDOW = 130, 2


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with 130 waiting batches, two in each window."""
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('waiting')}/state.db")
    schema.create(made)
    blob = encode(pa.RecordBatch.from_pydict({"id": ["a"]}))
    windows = [
        Window(60 * (number // PER_WINDOW), 60 * (number // PER_WINDOW) + 60) for number in range(WAITING)
    ]
    with made.write() as connection:
        for number, window in enumerate(windows):
            digest = number.to_bytes(16, "big")
            predictions.put(connection, [NewBatch(STREAM, window, 1, window.start, digest, b"", blob)], 0.0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("limit", "windows", "read", "more"),
    [
        (1000, None, WAITING, False),
        (WAITING, None, WAITING, True),
        (1000, 1, 50, True),
        (1000, 26, 100, True),
        (10, 26, 10, True),
        (1000, WAITING, WAITING, False),
    ],
    ids=["all", "as many as allowed", "one window", "two pages", "few", "more windows than there are"],
)
def test_a_backlog_is_read_in_pages(
    store: Store, limit: int, windows: int | None, read: int, more: bool
) -> None:
    with store.read() as connection:
        waiting = uncounted_batches.oldest(connection, STREAM, limit, windows)
    assert [batch.window.start for batch in waiting.batches] == [60 * (n // PER_WINDOW) for n in range(read)]
    assert waiting.more is more
