"""Single predictions that stand beside a histogram's buckets: from a slow bucket to one answer that was slow."""

from collections import deque
from collections.abc import Mapping

import numpy as np
import pyarrow.compute as pc
from sqlalchemy import Connection

from monitor.exporters.prediction_counters import DURATION_BOUNDS
from monitor.exporters.samples import Exemplar
from monitor.predictions.log.batch import decode
from monitor.records import Stream
from monitor.store import predictions

ByVersion = Mapping[str, Mapping[int, Exemplar]]
_LONGEST_ID = 100
"""OpenMetrics allows 128 characters for an exemplar's labels and their names."""
_LOOKED_BACK = 120.0


def newest(connection: Connection, stream: Stream, watermark: float | None) -> ByVersion:
    """One prediction of the newest batch for each version and bucket (by its place), the latest one that fell there."""
    if watermark is None:
        return {}
    kept = deque(predictions.batches(connection, stream, watermark - _LOOKED_BACK, watermark + 1), maxlen=1)
    if not kept:
        return {}
    rows = decode(kept[0].blob)
    names = rows.schema.names
    if "latency_ms" not in names or "id" not in names:
        return {}
    version = rows.column("version").to_pylist() if "version" in names else [None] * rows.num_rows
    seconds = pc.fill_null(rows.column("latency_ms"), float("nan")).to_numpy(zero_copy_only=False) / 1000
    places = np.searchsorted(DURATION_BOUNDS, seconds)
    found: dict[str, dict[int, Exemplar]] = {}
    rows_told = zip(version, rows.column("id").to_pylist(), rows.column("timestamp").to_pylist(), strict=True)
    for (own, name, at), value, place in zip(rows_told, seconds.tolist(), places.tolist(), strict=True):
        if name and value == value and len(name) <= _LONGEST_ID:
            exemplar = Exemplar((("prediction_id", name),), value, at / 1e6)
            found.setdefault(own or "", {})[place] = exemplar
    return found
