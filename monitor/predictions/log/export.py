"""Exports predictions and outcomes to Parquet files."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from monitor.config.units import DAY
from monitor.errors import NotFoundError, StoreError
from monitor.predictions.log.batch import concatenate, decode
from monitor.predictions.log.stored_rows import decoded
from monitor.predictions.outcomes.known_outcomes import KnownOutcomes
from monitor.records import Stream
from monitor.store import outcomes, predictions
from monitor.store.db import Store

_AT_ONCE = 100
"""Batches that are read together: a read of each by itself would take ten times as long."""
Progress = Callable[[int, int], None]


def export_parquet(
    store: Store, stream: Stream, start: float, end: float, folder: Path, progress: Progress
) -> list[Path]:
    """Write the batches of the windows that start in `[start, end)`, one file per day (UTC) that has rows.

    Raises:
        NotFoundError: no rows of that period are stored.
    """
    from pyarrow import parquet  # 12 MB that a daemon does not need

    folder.mkdir(parents=True, exist_ok=True)
    days = range(int(start // DAY), int(end // DAY) + 1)
    paths = []
    for position, day in enumerate(days, 1):
        rows = list(batches_with_outcomes(store, stream, max(start, day * DAY), min(end, (day + 1) * DAY)))
        if rows:
            path = folder / f"{stream.model}-{_date(day)}.parquet"
            parquet.write_table(pa.Table.from_batches([concatenate(rows)]), path, compression="zstd")
            paths.append(path)
        progress(position, len(days))
    if not paths:
        raise NotFoundError(
            f"no predictions of {stream} are stored for that period", hint="see: watchkeeper status"
        )
    return paths


def batches_with_outcomes(store: Store, stream: Stream, start: float, end: float) -> Iterator[pa.RecordBatch]:
    """The batches of the windows that start in `[start, end)` with their known outcomes. A damaged batch is reported
    and skipped.
    """
    with store.read() as connection:
        numbers = predictions.numbers(connection, stream, start, end)
    for first in range(0, len(numbers), _AT_ONCE):
        group = numbers[first : first + _AT_ONCE]
        try:
            with store.read() as connection:
                known = outcomes.known(connection, group)
                stored = list(decoded(connection, predictions.some(connection, stream, group)))
        except StoreError as error:
            if not error.is_damage:
                raise
            yield from _one_by_one(store, stream, group)
            continue
        for batch, rows in stored:
            joined = None
            with store.faults.isolate("prediction_batches", f"{batch.id} of {stream}"):
                joined = _with_outcomes(store, stream, batch.id, rows, known.get(batch.id))
            if joined is not None:
                yield joined


def _one_by_one(store: Store, stream: Stream, numbers: Sequence[int]) -> Iterator[pa.RecordBatch]:
    for number in numbers:
        rows = None
        with store.faults.isolate("prediction_batches", f"{number} of {stream}"):
            try:
                rows = _batch_with_outcomes(store, stream, number)
            except StoreError as error:
                if not error.is_damage:
                    raise
                store.faults.report("prediction_batches", f"{number} of {stream}", error)
                continue
        if rows is not None:
            yield rows


def _batch_with_outcomes(store: Store, stream: Stream, number: int) -> pa.RecordBatch | None:
    with store.read() as connection:
        for batch in predictions.some(connection, stream, [number]):
            known = outcomes.known(connection, [number]).get(number)
            return _with_outcomes(store, stream, number, decode(batch.blob), known)
    return None


def _with_outcomes(
    store: Store, stream: Stream, number: int, rows: pa.RecordBatch, known: bytes | None
) -> pa.RecordBatch:
    with store.faults.isolate("known_outcomes", f"{number} of {stream}"):
        return KnownOutcomes.of(known).join_all(rows)
    return KnownOutcomes.of(None).join_all(rows)


def _date(day: int) -> date:
    return datetime.fromtimestamp(day * DAY, UTC).date()
