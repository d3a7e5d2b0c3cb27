"""Loads flights as four weeks of history that end now, through the bulk path, which pages nobody."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.clock import ManualClock
from monitor.demo import flights
from monitor.demo.model import AUTOMATIC, LateModel, predicted
from monitor.demo.process import STREAM
from monitor.demo.serving import VERSION
from monitor.predictions.log.batch import split
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store.db import Store
from monitor.store.migrate import migrate

MONTH = 6
"""The month whose days give the history its times."""

_HOUR = 3_600_000_000  # microseconds


def load(folder: Path, model: LateModel, now: float) -> int:
    """Write the history into the demonstration's store; the number of flights."""
    table = flights.load()
    departed = _times(table.filter(pc.equal(table["month"], MONTH)))
    past = flights.shuffled(table, flights.FlightSplit.PAST).slice(0, len(departed))
    rows, known = _records(past, departed[: past.num_rows], model, now)
    stream = Stream(STREAM["client"], STREAM["model"], STREAM["environment"])
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    migrate(store)
    log = PredictionLog(store, PredictionSettings(), ManualClock(now))
    log.append(split(stream, rows, int(log.settings.base_window)))
    log.append_outcomes(stream, known)
    store.close()
    return int(past.num_rows)


def _times(table: pa.Table) -> np.ndarray:
    """Departure times in microseconds since the epoch, shape (rows,)."""
    times: np.ndarray = pc.cast(pc.cast(table["departed"], pa.timestamp("us")), pa.int64()).to_numpy()
    return times


def _records(
    table: pa.Table, departed: np.ndarray, model: LateModel, now: float
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    late = model.answers(table)
    predictions = predicted(table, late)
    moved = _compressed(departed + (int(now * 1e6) - int(departed.max())))
    ids = pa.array([f"history-{index}" for index in range(table.num_rows)])
    rows = predictions.append_column("id", ids).append_column("timestamp", pa.array(moved))
    rows = rows.append_column("version", pa.array([VERSION] * table.num_rows).dictionary_encode())
    return one_batch(rows), _outcomes(table, late, ids, moved)


def _compressed(times: np.ndarray) -> np.ndarray:
    """Move the flights of each hour into its first minute, because each minute with flights becomes a batch."""
    compressed: np.ndarray = times - times % _HOUR + (times % _HOUR) // 60
    return compressed


def _outcomes(table: pa.Table, late: np.ndarray, ids: pa.Array, moved: np.ndarray) -> pa.RecordBatch:
    truth = table["late"].to_numpy()
    reviewed = np.maximum(late, 1 - late) < AUTOMATIC
    corrected = reviewed & ((late >= 0.5) != truth)
    columns = {
        "id": ids,
        "timestamp": pa.array(moved),
        "truth": pa.array(np.where(truth, "late", "on time")).dictionary_encode(),
        "reviewed": pa.array(reviewed),
        "corrected": pa.array(corrected),
    }
    return pa.RecordBatch.from_pydict(columns)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """A table of predictions or outcomes as one record batch."""
    return pa.RecordBatch.from_pydict(
        {name: _plain(name, table[name].combine_chunks()) for name in table.column_names}
    )


def _plain(name: str, column: pa.Array) -> pa.Array:
    """A column in a type of a prediction batch: float64, bool, or dictionary-encoded string."""
    if name in ("id", "timestamp"):
        return column
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    return pc.cast(column, pa.float64()) if pa.types.is_integer(column.type) else column
