"""The past of some models without a season, put straight into a store: much of it in little time."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from monitor.clock import SystemClock
from monitor.predictions.log.batch import split
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store import drift
from monitor.store.db import Store

HALF_HOUR, DAY = 1800, 86_400


def past(stream: Stream, start: int, days: int, features: int, rows: int) -> Iterator[pa.RecordBatch]:
    """A day at a time, `rows` in each half hour."""
    rng = np.random.default_rng(start)
    for day in range(days):
        n = rows * DAY // HALF_HOUR
        times = start + day * DAY + (np.arange(n) + rng.random(n)) * (DAY / n)
        columns = {"id": pa.array([f"{stream.model}-{day}-{row}" for row in range(n)])}
        columns["timestamp"] = pa.array((times * 1e6).astype(np.int64))
        columns |= {f"features.f{number}": pa.array(rng.normal(size=n)) for number in range(features)}
        columns["prediction"] = pa.array(rng.choice(["ok", "fraud"], n)).dictionary_encode()
        columns["confidence"] = pa.array(rng.random(n))
        columns["latency_ms"] = pa.array(rng.gamma(9, 3, n))
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def load(store: Store, streams: Sequence[Stream], start: int, days: int, features: int, rows: int) -> None:
    """Store `days` of predictions, `rows` in each half hour, of some streams."""
    log = PredictionLog(store, PredictionSettings(), SystemClock())
    for stream in streams:
        for part in past(stream, start, days, features, rows):
            log.append(split(stream, part, HALF_HOUR))


def are_learned(store: Store, streams: Sequence[Stream]) -> bool:
    """Whether each stream has a decision on drift."""
    with store.read() as connection:
        return all(drift.calibration(connection, stream) is not None for stream in streams)
