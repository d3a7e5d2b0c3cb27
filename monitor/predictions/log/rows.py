"""Converts validated rows to Arrow columns: the rows of many requests for one stream become one batch.

An intermediate form holds the values by field, which is cheap to concatenate. Large requests already arrive in it.
"""

import struct
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from monitor.predictions.fields import ALL, GROUPS, FieldType, of_type
from monitor.predictions.log.arrays import floats
from monitor.predictions.log.columns import LABEL, Value, column, name_of
from monitor.predictions.log.item_lists import labels_text, list_text, outputs_text
from monitor.times.columns import Micros

_LABELS = {
    **dict.fromkeys(of_type(FieldType.ID), pa.string()),
    **dict.fromkeys(of_type(FieldType.VERSION, FieldType.LABEL), LABEL),
}
_ANSWERS = of_type(FieldType.ANSWER)
_PROBABILITIES = of_type(FieldType.PROBABILITY)
_NUMBERS = of_type(FieldType.PROBABILITY, FieldType.MILLISECONDS, FieldType.NUMBER)
_BOOLEANS = of_type(FieldType.BOOLEAN)
_SETS = of_type(FieldType.LABEL_SET)
_STORED_AS_TEXT = of_type(FieldType.ITEMS, FieldType.LABEL_SET, FieldType.OUTPUTS, FieldType.GRADES)


@dataclass(frozen=True, slots=True)
class Fields:
    """Rows of one struct type by field; `times` are µs since the epoch.

    `numbers` is float64 of shape (names, rows), NaN where there is no value; `values` holds all other fields. Members
    of groups are named `<group>.<member>`.
    """

    times: np.ndarray
    values: Mapping[str, Sequence[Any]]
    names: Sequence[str]
    numbers: np.ndarray

    @property
    def kind(self) -> Hashable:
        """A key; fields with equal keys can be joined."""
        return tuple(self.values), tuple(self.names)


def transpose(rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Rows of one struct type as one tuple per field."""
    return dict(zip(type(rows[0]).__struct_fields__, zip(*map(astuple, rows), strict=True), strict=True))


def by_field(fields: Mapping[str, Sequence[Any]], times: Micros) -> Fields:
    """Transposed rows as `Fields`. Groups (features and so on) are dicts, or structs of the stream's decoder."""
    values = {name: members for name, members in fields.items() if name in ALL and name not in _NUMBERS}
    numbers = {name: fields[name] for name in _NUMBERS if name in fields}
    for group in GROUPS:
        if group in fields:
            _spread(group, fields[group], values, numbers)
    matrix = _matrix(list(numbers.values()), len(times))
    for index, name in enumerate(numbers):
        if name in _PROBABILITIES:
            np.clip(matrix[index], 0.0, 1.0, out=matrix[index])  # exceeded only by rounding
    return Fields(np.asarray(times, np.int64), values, list(numbers), matrix)


def join(parts: Sequence[Fields]) -> Fields:
    """Concatenate fields of one kind."""
    if len(parts) == 1:
        return parts[0]
    return Fields(
        np.concatenate([part.times for part in parts]),
        {name: list(chain.from_iterable(part.values[name] for part in parts)) for name in parts[0].values},
        parts[0].names,
        np.concatenate([part.numbers for part in parts], axis=1),
    )


def columns(fields: Fields) -> pa.RecordBatch:
    """Fields as columns, without those that have no value. See `monitor.predictions.log.batch` for names and types."""
    arrays: dict[str, pa.Array] = {"timestamp": pa.array(fields.times, pa.int64())}
    for name, values in fields.values.items():
        if values[0] is not None or values.count(None) < len(values):
            arrays[name] = _column(name, values)
    all_numbers, rows = pa.array(fields.numbers.reshape(-1), from_pandas=True), len(fields.times)
    for index, name in enumerate(fields.names):
        array = all_numbers.slice(index * rows, rows)
        if not all_numbers.null_count or array.null_count < rows:
            arrays[name] = array
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _matrix(rows: Sequence[Sequence[float | None]], length: int) -> np.ndarray:
    """Numbers of shape (rows, length), NaN where there is no value."""
    matrix = np.full((len(rows), length), np.nan)
    with_values = [index for index, row in enumerate(rows) if any(row) or row.count(None) < length]
    flat = list(chain.from_iterable(rows[index] for index in with_values))
    try:
        # Takes a third of the time of an array of objects.
        parsed = np.frombuffer(struct.pack(f"{len(flat)}d", *flat))
    except struct.error:  # some are missing
        parsed = floats(pa.array(flat, pa.float64()))
    matrix[with_values] = parsed.reshape(len(with_values), length)
    return matrix


def _spread(
    group: str, members: Sequence[Any], values: dict[str, Sequence[Any]], numbers: dict[str, Sequence[Any]]
) -> None:
    """Add the members of a group as fields: to `numbers` if they are always numbers, else to `values`."""
    kind: Any = next((type(member) for member in members if member is not None), None)
    if kind is None:
        return
    if kind is dict:
        for name in dict.fromkeys(chain.from_iterable(member or () for member in members)):
            values[f"{group}.{name}"] = [None if member is None else member.get(name) for member in members]
        return
    without_values = kind()
    tuples = (astuple(without_values if member is None else member) for member in members)
    for (name, known), column_values in zip(kind.columns, zip(*tuples, strict=True), strict=True):
        (numbers if known is float else values)[name] = column_values


def _column(name: str, values: Sequence[Any]) -> pa.Array:
    if name in _LABELS:
        return _labels(values, _LABELS[name])
    if name in _ANSWERS:
        return _answers(values)
    if name in _BOOLEANS:
        return pa.array(values, pa.bool_())
    if name in _STORED_AS_TEXT:
        return pa.array([_as_text(name, value) for value in values], pa.string())
    return column(values)


def _as_text(name: str, value: Any) -> str | None:
    """A list, a set or numbers by name as the text that the log stores; those that are one already stay."""
    if isinstance(value, list):
        items = [name_of(one) or "" for one in value]
        return labels_text(items) if name in _SETS else list_text(items)
    return outputs_text(value) if isinstance(value, dict) else value


def _labels(values: Sequence[str | int | None], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:  # some values are numbers
        return pa.array([name_of(value) for value in values], kind)


def _answers(values: Sequence[Value]) -> pa.Array:
    """Labels or numbers. Booleans are labels here."""
    kinds = set(map(type, values)) - {type(None)}
    return column(values if kinds <= {str} or kinds == {float} else [name_of(value) for value in values])
