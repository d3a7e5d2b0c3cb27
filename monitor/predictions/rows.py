"""Checked rows to Arrow columns: the rows of many requests for one stream become one batch.

On the way they are values by field, which are cheap to put together: large requests come as these already.
"""

import struct
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from monitor.predictions.arrays import floats
from monitor.predictions.columns import LABEL, Value, column, name_of
from monitor.predictions.times import Micros

_LABELS = {"id": pa.string(), "version": LABEL, "error": LABEL}
_ANSWERS = ("prediction", "truth")
_NUMBERS = ("confidence", "latency_ms", "cost", "feedback")
_BOOLEANS = ("automated", "reviewed", "corrected")
_GROUPS = ("features", "segments", "probabilities")
_PLAIN = frozenset((*_LABELS, *_ANSWERS, *_NUMBERS, *_BOOLEANS))


@dataclass(frozen=True, slots=True)
class Fields:
    """Rows of one struct type by field; `times` are µs since the epoch.

    `numbers` is float64 of shape (names, rows), NaN where there is no value; `values` has all other fields. Members
    of groups are named `<group>.<member>`.
    """

    times: np.ndarray
    values: Mapping[str, Sequence[Any]]
    names: Sequence[str]
    numbers: np.ndarray

    @property
    def kind(self) -> Hashable:
        """Fields of one kind can be joined."""
        return tuple(self.values), tuple(self.names)


def turned(rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Rows of one struct type as a tuple for each field."""
    return dict(zip(type(rows[0]).__struct_fields__, zip(*map(astuple, rows), strict=True), strict=True))


def by_field(found: Mapping[str, Sequence[Any]], times: Micros) -> Fields:
    """`turned` rows in order by field. Groups (features and so on) are dicts, or structs made for the stream."""
    values = {name: some for name, some in found.items() if name in _PLAIN and name not in _NUMBERS}
    numbers = {name: found[name] for name in _NUMBERS if name in found}
    for group in _GROUPS:
        if group in found:
            _spread(group, found[group], values, numbers)
    matrix = _matrix(list(numbers.values()), len(times))
    return Fields(np.asarray(times, np.int64), values, list(numbers), matrix)


def join(parts: Sequence[Fields]) -> Fields:
    """Fields of one kind under each other."""
    if len(parts) == 1:
        return parts[0]
    return Fields(
        np.concatenate([part.times for part in parts]),
        {name: list(chain.from_iterable(part.values[name] for part in parts)) for name in parts[0].values},
        parts[0].names,
        np.concatenate([part.numbers for part in parts], axis=1),
    )


def columns(fields: Fields) -> pa.RecordBatch:
    """Fields as columns, without those that have no value; see `monitor.predictions.batches` for names and types."""
    found: dict[str, pa.Array] = {"timestamp": pa.array(fields.times, pa.int64())}
    for name, values in fields.values.items():
        if values[0] is not None or values.count(None) < len(values):
            found[name] = _column(name, values)
    together, rows = pa.array(fields.numbers.reshape(-1), from_pandas=True), len(fields.times)
    for index, name in enumerate(fields.names):
        array = together.slice(index * rows, rows)
        if not together.null_count or array.null_count < rows:
            found[name] = array
    return pa.RecordBatch.from_arrays(list(found.values()), names=list(found))


def _matrix(rows: Sequence[Sequence[float | None]], length: int) -> np.ndarray:
    """Numbers of shape (rows, length), NaN where there is none."""
    matrix = np.full((len(rows), length), np.nan)
    given = [place for place, some in enumerate(rows) if any(some) or some.count(None) < length]
    flat = list(chain.from_iterable(rows[place] for place in given))
    try:
        packed = np.frombuffer(
            struct.pack(f"{len(flat)}d", *flat)
        )  # a third of what an array of objects takes
    except struct.error:  # some are missing
        packed = floats(pa.array(flat, pa.float64()))
    matrix[given] = packed.reshape(len(given), length)
    return matrix


def _spread(
    group: str, members: Sequence[Any], values: dict[str, Sequence[Any]], numbers: dict[str, Sequence[Any]]
) -> None:
    """The members of a group as fields of their own: among the `numbers` where they are sure to be some."""
    kind: Any = next((type(one) for one in members if one is not None), None)
    if kind is None:
        return
    if kind is dict:
        for name in dict.fromkeys(chain.from_iterable(one or () for one in members)):
            values[f"{group}.{name}"] = [None if one is None else one.get(name) for one in members]
        return
    nothing = kind()
    tuples = (astuple(nothing if one is None else one) for one in members)
    for (name, known), some in zip(kind.columns, zip(*tuples, strict=True), strict=True):
        (numbers if known is float else values)[name] = some


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    if name in _LABELS:
        return _labels(values, _LABELS[name])
    if name in _ANSWERS:
        return _answers(values)
    if name in _BOOLEANS:
        return pa.array(values, pa.bool_())
    return column(values)


def _labels(values: Sequence[str | int | None], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:  # numbers among them
        return pa.array([name_of(value) for value in values], kind)


def _answers(values: Sequence[Value]) -> pa.Array:
    """Labels or numbers; true and false are labels here."""
    kinds = set(map(type, values)) - {type(None)}
    return column(values if kinds <= {str} or kinds == {float} else [name_of(value) for value in values])
