"""Exemplars: for each bucket of the duration histogram, the id of a prediction that fell into it."""

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
    """The newest prediction per version and bucket, from the newest batch."""
    if watermark is None:
        return {}
    last_batch = deque(
        predictions.batches(connection, stream, watermark - _LOOKED_BACK, watermark + 1), maxlen=1
    )
    if not last_batch:
        return {}
    rows = decode(last_batch[0].blob)
    names = rows.schema.names
    if "latency_ms" not in names or "id" not in names:
        return {}
    version = rows.column("version").to_pylist() if "version" in names else [None] * rows.num_rows
    seconds = pc.fill_null(rows.column("latency_ms"), float("nan")).to_numpy(zero_copy_only=False) / 1000
    places = np.searchsorted(DURATION_BOUNDS, seconds)
    exemplars: dict[str, dict[int, Exemplar]] = {}
    identities = zip(
        version, rows.column("id").to_pylist(), rows.column("timestamp").to_pylist(), strict=True
    )
    for (version_name, name, at), value, place in zip(
        identities, seconds.tolist(), places.tolist(), strict=True
    ):
        if name and value == value and len(name) <= _LONGEST_ID:
            exemplar = Exemplar((("prediction_id", name),), value, at / 1e6)
            exemplars.setdefault(version_name or "", {})[place] = exemplar
    return exemplars
