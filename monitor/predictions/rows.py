"""Checked rows to Arrow columns: the rows of many requests for one stream become one batch."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions.columns import LABEL, Value, column, name_of, texts

_PLAIN = (
    ("confidence", pa.float64()),
    ("latency_ms", pa.float64()),
    ("automated", pa.bool_()),
    ("cost", pa.float64()),
    ("reviewed", pa.bool_()),
    ("corrected", pa.bool_()),
    ("feedback", pa.float64()),
)
_LABELS = (("id", pa.string()), ("version", LABEL), ("error", LABEL))
_ANSWERS = ("prediction", "truth")
_GROUPS = ("features", "segments", "probabilities")


def columns(rows: Sequence[Any], times: np.ndarray) -> pa.RecordBatch:
    """Rows of one struct type as columns; see `monitor.predictions.batches` for their names and types.

    `times` are µs since the epoch. Groups (features and so on) are dicts, or structs made for the stream.
    """
    found: dict[str, pa.Array] = {"timestamp": pa.array(times, pa.int64())}
    fields = set(type(rows[0]).__struct_fields__)
    for name, kind in _LABELS:
        if name in fields:
            values = list(map(attrgetter(name), rows))
            if int in set(map(type, values)):
                values = [name_of(value) for value in values]
            _keep(found, name, pa.array(values, kind))
    for name, kind in _PLAIN:
        if name in fields:
            _keep(found, name, pa.array(list(map(attrgetter(name), rows)), kind))
    for name in _ANSWERS:
        if name in fields:
            _keep(found, name, _answers(list(map(attrgetter(name), rows))))
    for name in _GROUPS:
        if name in fields:
            _spread(found, name, list(map(attrgetter(name), rows)))
    return pa.RecordBatch.from_arrays(list(found.values()), names=list(found))


def _answers(values: list[Any]) -> pa.Array:
    """Labels or numbers; true and false are labels here."""
    kinds = set(map(type, values))
    return column([name_of(value) for value in values] if bool in kinds or str in kinds else values)


def _spread(found: dict[str, pa.Array], group: str, values: Sequence[Any]) -> None:
    kind: Any = next((type(value) for value in values if value is not None), None)
    if kind is None:
        return
    if kind is dict:
        for name in dict.fromkeys(name for one in values for name in one):
            _keep(found, f"{group}.{name}", column([one.get(name) for one in values]))
        return
    nothing = kind()
    tuples = [msgspec.structs.astuple(nothing if value is None else value) for value in values]
    for name, known, some in zip(
        kind.__struct_encode_fields__, kind.kinds, zip(*tuples, strict=True), strict=True
    ):
        _keep(found, f"{group}.{name}", _column_of(some, known))


def _column_of(values: Sequence[Value], kind: type | None) -> pa.Array:
    if kind is float:
        return pa.array(values, pa.float64())
    if kind is str:
        return texts(values)  # type: ignore[arg-type]
    return column(values)


def _keep(found: dict[str, pa.Array], name: str, values: pa.Array) -> None:
    if values.null_count < len(values):
        found[name] = values
