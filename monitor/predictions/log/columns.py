"""Values to Arrow columns, and back to numbers or labels.

A column of a batch has one type: the widest of its values, in the order bool < number < text (a list of numbers is a
type of its own and is not mixed). The next batch may have another type. So code that counts a feature reads it through
`numbers` or `names`, as its layout requires, and does not rely on the type in the batch:

- `numbers`: true is 1, false is 0; a text that represents a number is that number; any other text is unreadable;
- `names`: true is `true`, false is `false`; a number is written in its shortest form, integers without `.0`; a time as
  ISO 8601; a list with its numbers in brackets.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.text_limits import number_in

LABEL = pa.dictionary(pa.int32(), pa.string())
EMBEDDING = pa.list_(pa.float32())
TEXT_SAMPLE = 64
TEXT_FROM = 64
"""A text column whose values are longer than this on average is stored as plain text, not as categories."""

Value = bool | float | str | list[float] | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column as numbers: `values` float64 with NaN where missing; `unreadable` marks texts that are not numbers."""

    values: np.ndarray
    missing: np.ndarray
    unreadable: np.ndarray


def nearest_float(value: float) -> float:
    """The number as a float; infinite if it exceeds the range."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def column(values: Sequence[Value]) -> pa.Array:
    """A column of the widest type in `values`. Without any value it is a column of missing numbers."""
    if values and isinstance(values[0], str):
        with suppress(TypeError):  # nearly always, all values are texts
            return texts(values)  # type: ignore[arg-type]
    kinds = set(map(type, values)) - {type(None)}
    if list in kinds:
        return pa.array(values, EMBEDDING) if kinds == {list} else texts([name_of(value) for value in values])
    if str in kinds:
        return texts(values if kinds == {str} else [name_of(value) for value in values])  # type: ignore[arg-type]
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([None if value is None else float(value) for value in values], pa.float64())  # type: ignore[arg-type]


def texts(values: Sequence[str | None]) -> pa.Array:
    """Categories as a dictionary column; long texts (judged by the first values) as plain text."""
    first = values[:TEXT_SAMPLE]
    if sum(map(len, filter(None, first))) > TEXT_FROM * (len(first) - first.count(None)):
        return pa.array(values, pa.string())
    return pa.array(values, LABEL)


def name_of(value: Value) -> str | None:
    """A value as the text of a category."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(str(name_of(item)) for item in value) + "]"
    return str(int(value)) if abs(value) < 1e15 and value == math.floor(value) else repr(value)


def numbers(column: pa.Array) -> Numbers:
    """A feature of any type as numbers (see the rules above). NaN and infinities are kept."""
    missing = ~arrays.valid(column)
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        return _numbers_of_texts(column, missing)
    values = arrays.floats(column.cast(pa.float64()))
    return Numbers(values, missing, np.zeros(len(column), bool))


def names(column: pa.Array) -> pa.DictionaryArray:
    """A feature of any type as categories (see the rules above)."""
    if pa.types.is_dictionary(column.type):
        return column
    if pa.types.is_string(column.type):
        return column.dictionary_encode()
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return times_as_texts(column)
    if pa.types.is_list(column.type):
        return pa.array([name_of(value) for value in column.to_pylist()], pa.string()).dictionary_encode()
    encoded = column.dictionary_encode()
    written = pa.array([name_of(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, written)


def times_as_texts(column: pa.Array) -> pa.DictionaryArray:
    """Times and dates as ISO 8601, in seconds; times with a zone as UTC."""
    if pa.types.is_date(column.type):
        return column.cast(pa.string()).dictionary_encode()
    zone = "UTC" if column.type.tz else None
    whole = column.cast(pa.timestamp("s", zone), safe=False)
    return whole.cast(pa.string()).dictionary_encode()


def _numbers_of_texts(column: pa.Array, missing: np.ndarray) -> Numbers:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    parsed = [number_in(text or "") for text in encoded.dictionary.to_pylist()]
    readings = np.array([math.nan if number is None else number for number in parsed] + [math.nan])
    known = np.array([number is not None for number in parsed] + [True])
    codes = arrays.codes(encoded, len(readings) - 1)
    return Numbers(readings[codes], missing, ~known[codes])
