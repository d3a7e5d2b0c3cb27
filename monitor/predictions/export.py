"""Predictions and what became known of them, as Parquet files for analysis elsewhere."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from monitor.errors import NotFoundError
from monitor.predictions.batches import concatenate, decode
from monitor.predictions.known import Known
from monitor.records import Stream
from monitor.store import outcomes, predictions
from monitor.store.db import Store

Progress = Callable[[int, int], None]
DAY = 86400


def export_parquet(
    store: Store, stream: Stream, start: float, end: float, folder: Path, progress: Progress
) -> list[Path]:
    """Write the batches of the windows that begin in `[start, end)`, one file for each day (UTC) that has any.

    Raises:
        NotFoundError: nothing of that time is kept.
    """
    from pyarrow import parquet  # 12 MB that a daemon does not need

    folder.mkdir(parents=True, exist_ok=True)
    days = range(int(start // DAY), int(end // DAY) + 1)
    written = []
    for done, day in enumerate(days, 1):
        rows = list(_rows(store, stream, max(start, day * DAY), min(end, (day + 1) * DAY)))
        if rows:
            path = folder / f"{stream.model}-{_date(day)}.parquet"
            parquet.write_table(pa.Table.from_batches([concatenate(rows)]), path, compression="zstd")
            written.append(path)
        progress(done, len(days))
    if not written:
        raise NotFoundError(
            f"no prediction of {stream} is kept from that time", hint="see: watchkeeper status"
        )
    return written


def _rows(store: Store, stream: Stream, start: float, end: float) -> Iterator[pa.RecordBatch]:
    with store.read() as connection:
        for batch in predictions.batches(connection, stream, start, end):
            known = Known.of(outcomes.known(connection, [batch.id]).get(batch.id))
            yield known.join_all(decode(batch.blob))


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * DAY, UTC).date()
