"""Checked rows to Arrow columns: many requests' rows of one stream become one batch."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa

from monitor.predictions.columns import LABEL, Value, column
from monitor.predictions.schema import OutcomeRow, Row

_PLAIN = (
    ("id", pa.string()),
    ("version", LABEL),
    ("confidence", pa.float64()),
    ("latency_ms", pa.float64()),
    ("error", LABEL),
    ("automated", pa.bool_()),
    ("cost", pa.float64()),
    ("reviewed", pa.bool_()),
    ("corrected", pa.bool_()),
    ("feedback", pa.float64()),
)


def prediction_rows(rows: Sequence[Row]) -> pa.RecordBatch:
    """Predictions as columns; see `monitor.predictions.batches` for their names and types."""
    found = _plain(rows, Row.__struct_fields__)
    _put(found, "prediction", list(map(attrgetter("prediction"), rows)))
    for group in ("features", "segments", "probabilities"):
        _spread(found, group, list(map(attrgetter(group), rows)))
    return pa.RecordBatch.from_arrays(list(found.values()), names=list(found))


def outcome_rows(rows: Sequence[OutcomeRow], now: float) -> pa.RecordBatch:
    """Outcomes as columns; see `monitor.predictions.batches` for their names and types. `received` is the arrival."""
    found = _plain(rows, OutcomeRow.__struct_fields__)
    _put(found, "truth", list(map(attrgetter("truth"), rows)))
    found["received"] = pa.array([now] * len(rows), pa.float64())
    return pa.RecordBatch.from_arrays(list(found.values()), names=list(found))


def _plain(rows: Sequence[Any], names: Iterable[str]) -> dict[str, pa.Array]:
    found = {"timestamp": pa.array(map(attrgetter("timestamp"), rows), pa.int64())}
    for name, kind in _PLAIN:
        if name in names:
            values = list(map(attrgetter(name), rows))
            if any(value is not None for value in values):
                found[name] = pa.array(values, kind)
    return found


def _spread(found: dict[str, pa.Array], group: str, dicts: Sequence[dict[str, Value]]) -> None:
    names = dict.fromkeys(name for one in dicts for name in one)
    for name in names:
        _put(found, f"{group}.{name}", [one.get(name) for one in dicts])


def _put(found: dict[str, pa.Array], name: str, values: Sequence[Value]) -> None:
    if any(value is not None for value in values):
        found[name] = column(values)
