"""The flights of June as history that ends now: through the bulk path, so that nobody is paged for it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.clock import ManualClock
from monitor.demo import flights
from monitor.demo.model import AUTOMATIC, LateModel, predicted
from monitor.demo.process import STREAM
from monitor.demo.serving import VERSION
from monitor.predictions.batches import split
from monitor.predictions.log import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store.db import Store
from monitor.store.migrate import migrate

MONTH = 6
_HOUR = 3_600_000_000


def load(folder: Path, model: LateModel, now: float) -> int:
    """Write the history into the demonstration's store; return the number of flights."""
    table = flights.load()
    table = table.filter(pc.equal(table["month"], MONTH))
    rows, known = _records(table, model, now)
    stream = Stream(STREAM["client"], STREAM["model"], STREAM["environment"])
    store = Store(f"sqlite:///{folder}/watchkeeper.db")
    migrate(store)
    log = PredictionLog(store, PredictionSettings(), ManualClock(now))
    log.append(split(stream, rows, int(log.settings.base_window)))
    log.append_outcomes(stream, known)
    store.close()
    return int(table.num_rows)


def _records(table: pa.Table, model: LateModel, now: float) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    late = model.answers(table)
    said = predicted(table, late)
    departed = pc.cast(pc.cast(table["departed"], pa.timestamp("us")), pa.int64()).to_numpy()
    moved = _gathered(departed + (int(now * 1e6) - int(departed.max())))
    ids = pa.array([f"history-{index}" for index in range(table.num_rows)])
    rows = said.append_column("id", ids).append_column("timestamp", pa.array(moved))
    rows = rows.append_column("version", pa.array([VERSION] * table.num_rows).dictionary_encode())
    return _one_batch(rows), _outcomes(table, late, ids, moved)


def _gathered(times: np.ndarray) -> np.ndarray:
    """Each hour pressed into its first minute: a flight or two a minute would be a batch for each pair."""
    gathered: np.ndarray = times - times % _HOUR + (times % _HOUR) // 60
    return gathered


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


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {name: _plain(name, table[name].combine_chunks()) for name in table.column_names}
    )


def _plain(name: str, column: pa.Array) -> pa.Array:
    """The kinds of column that a prediction batch knows: numbers, truths, and texts by dictionary."""
    if name in ("id", "timestamp"):
        return column
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    return pc.cast(column, pa.float64()) if pa.types.is_integer(column.type) else column
