"""Converts an Arrow IPC stream of predictions to validated columns, without a Python object per row.

The columns are those of `monitor.predictions.log.batch`, and `client`, `model`, `environment` as columns, or as
metadata of the schema if one value holds for all rows. Equivalent types are accepted: any integer or float for a
number, any string type, timestamps of any unit.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from monitor.errors import InputError, TooLargeError
from monitor.predictions.fields import ALL, STREAM_FIELDS, FieldType
from monitor.predictions.intake import item_fields
from monitor.predictions.intake.arrow_types import (
    expanded_bytes,
    flat,
    is_number,
    is_text,
    is_time,
    is_uuid,
    plain,
    readable,
    uuids,
)
from monitor.predictions.intake.validation import RecordError, boolean, number
from monitor.predictions.log.arrays import valid
from monitor.predictions.log.batch import concatenate
from monitor.predictions.log.columns import TEXT_FROM, names, times_as_texts
from monitor.times.columns import micros_of_column
from monitor.times.reading import DateOrder
from monitor.visible import visible

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
_HINT = "write it with pyarrow.ipc.new_stream"
_FEWER = "send fewer rows per request"
_BYTES_OF_A_VALUE = 16
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_NODE_BYTES = 16
"""Bytes of a FieldNode: its length and its number of nulls, 8 bytes each."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The rows of a record batch (0 for other messages), and the number of values of all columns, including nested
    ones.
    """

    rows: int
    values: int
    is_compressed: bool


def table(body: bytes, most_rows: int, most_values: int) -> pa.RecordBatch:
    """All rows of a stream as one batch, with the schema's metadata.

    The sizes in the headers are checked before anything is decoded: a column without values takes no space in the
    stream, however long it is.

    Raises:
        InputError: the body is not an Arrow IPC stream, is damaged, or is compressed.
        TooLargeError: it has too many rows or values, or its expanded texts are too long.
    """
    try:
        headers = [read_header(message) for message in pa.ipc.MessageReader.open_stream(body)]
        _check(headers, most_rows, most_values)
        with pa.ipc.open_stream(body) as reader:
            metadata, parts = reader.schema.metadata, list(reader)
        for part in parts:
            part.validate()
            _check_repeats(part, most_values)  # before their characters are validated
            part.validate(full=True)
        names = parts[0].schema.names if parts else []
    except InputError:
        raise
    except (pa.ArrowException, OSError, struct.error, ValueError, LookupError, EOFError) as error:
        raise InputError(f"the Arrow stream cannot be read: {_first_line(error)}", hint=_HINT) from error
    if not parts or not sum(part.num_rows for part in parts):
        raise InputError("the Arrow stream has no rows", hint=_HINT)
    if len(set(names)) < len(names):
        raise InputError("the Arrow stream has two columns with the same name", hint=_HINT)
    try:
        rows = flat(concatenate([plain(part) for part in parts]).replace_schema_metadata(metadata))
    except pa.ArrowInvalid as error:
        raise InputError(f"the Arrow stream cannot be read: {_first_line(error)}", hint=_HINT) from error
    if len(set(rows.schema.names)) < rows.num_columns:
        raise InputError("the Arrow stream has two columns with the same name", hint=_HINT)
    return rows


def _check(headers: Sequence[BatchHeader], most_rows: int, most_values: int) -> None:
    if any(header.is_compressed for header in headers):
        hint = "send it uncompressed"
        raise InputError("the Arrow stream has compressed buffers", hint=hint)
    rows, values = sum(header.rows for header in headers), sum(header.values for header in headers)
    if rows > most_rows:
        raise TooLargeError(f"{rows:,} records, more than {most_rows:,}", hint=_FEWER)
    if values > most_values:
        raise TooLargeError(f"the columns have {values:,} values, more than {most_values:,}", hint=_FEWER)


def _check_repeats(part: pa.RecordBatch, most_values: int) -> None:
    """Check the expanded size: values that are stored once and referenced often (dictionaries, views) must not exceed
    the memory.
    """
    size = sum(expanded_bytes(column) for column in part.columns)
    if size > most_values * _BYTES_OF_A_VALUE:
        raise TooLargeError(f"the columns take {size:,} bytes, each value written out", hint=_FEWER)


def read_header(message: pa.Message) -> BatchHeader:
    """Read the header of a message before its data is decoded: a flatbuffer (Message.fbs of the Arrow format).

    Raises:
        struct.error, IndexError, ValueError: the header is damaged.
    """
    header = message.metadata.to_pybytes()
    root = _FlatbufferTable(header, struct.unpack_from("<I", header)[0])
    kind, content = root.byte(1), root.child(2)
    if kind == _DICTIONARY_BATCH and content is not None:  # it contains a record batch
        content = content.child(1)
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH) or content is None:
        return BatchHeader(0, 0, False)
    lengths = content.lengths(1)
    if min(lengths, default=0) < 0:
        raise ValueError("a column has a negative length")
    rows = content.long(0) if kind == _RECORD_BATCH else 0
    return BatchHeader(rows, sum(lengths), content.child(3) is not None)


class _FlatbufferTable:
    """The part of a flatbuffer reader that is needed to read fields of a table."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        if self._fields < 0:
            raise ValueError("the header is damaged")
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def _place(self, number: int) -> int:
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, self._fields + slot)[0] if slot < self._size else 0
        return self._at + offset if offset else 0

    def byte(self, number: int) -> int:
        place = self._place(number)
        return self._data[place] if place else 0

    def long(self, number: int) -> int:
        place = self._place(number)
        return int(struct.unpack_from("<q", self._data, place)[0]) if place else 0

    def lengths(self, number: int) -> list[int]:
        """The lengths in a vector of FieldNodes."""
        place = self._place(number)
        if not place:
            return []
        start = place + struct.unpack_from("<I", self._data, place)[0]
        count = struct.unpack_from("<I", self._data, start)[0]
        nodes = self._data[start + 4 : start + 4 + count * _NODE_BYTES]
        if len(nodes) < count * _NODE_BYTES:
            raise ValueError("the header is damaged")
        return [length for length, _ in struct.iter_unpack("<qq", nodes)]

    def child(self, number: int) -> "_FlatbufferTable | None":
        place = self._place(number)
        return (
            _FlatbufferTable(self._data, place + struct.unpack_from("<I", self._data, place)[0])
            if place
            else None
        )


def _first_line(error: Exception) -> str:
    return visible((str(error) or type(error).__name__).splitlines()[0][:200])


def typed(name: str, values: pa.Array, order: DateOrder | None = None) -> pa.Array | None:
    """A column in the type of the log.

    None if its name is unknown, or if it is a feature, segment or probability of a type that cannot be measured.
    `order` is that of dates.

    Raises:
        InputError: the type is invalid for this field.
    """
    convert = _converter(name)
    if convert is None:
        return None
    if convert is _time:
        return micros_of_column(values, order)
    try:
        if convert in _EACH and pa.types.is_dictionary(
            values.type
        ):  # only categories are converted by dictionary entry
            values = values.dictionary_decode()
        return convert(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        if name.partition(".")[0] in _GROUPS and not is_text(values.type):
            return None  # one unreadable column must not reject the others
        raise InputError(
            f"column {name!r} of type {values.type} cannot be used: {_first_line(error)}"
        ) from error


def readable_columns(
    name: str, values: pa.Array, order: DateOrder | None = None
) -> tuple[pa.Array | None, np.ndarray]:
    """A column as `typed` returns it, and a mask of the rows with an unreadable value, bool (n,).

    Raises:
        InputError: no value of the column can be read.
    """
    try:
        column = typed(name, values, order)
        is_complete = column is None or column.null_count == values.null_count
        return column, np.zeros(len(values), bool) if is_complete else valid(values) & ~valid(column)
    except InputError:
        convert = _converter(name)
        kind = None if convert is None else _EACH.get(convert)
        value_type = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if kind is None or not is_text(value_type):
            raise
    encoded = values.cast(pa.string()).dictionary_encode()
    read, value_type = kind
    column = pa.array([read(text) for text in encoded.dictionary.to_pylist()], value_type).take(
        encoded.indices
    )
    return column, valid(values) & ~valid(column)


def _converter(name: str) -> Callable[[pa.Array], pa.Array | None] | None:
    """The function that converts a column of this name to the type of the log; None for unknown names."""
    group, _, rest = name.partition(".")
    return _COLUMNS.get(rest if group == "outcome" else name) or (_GROUPS.get(group) if rest else None)


def _each(check: Callable[[str, object], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return check("", text)
        except RecordError:
            return None

    return read


def _milliseconds(values: pa.Array) -> pa.Array:
    return pc.multiply(readable(values), 1e3) if pa.types.is_duration(values.type) else _number(values)


def _number(values: pa.Array) -> pa.Array:
    return values.cast(pa.float64(), safe=not pa.types.is_integer(values.type))


def _id(values: pa.Array) -> pa.Array:
    """Ids as texts; integers digit by digit, because large ones are not exact as floats."""
    if is_uuid(values.type):
        return uuids(values)
    is_plain = is_text(values.type) or pa.types.is_integer(values.type)
    return values.cast(pa.string()) if is_plain else _label(values).cast(pa.string())


def _boolean(values: pa.Array) -> pa.Array:
    """Booleans; 0 and 1 are false and true, other numbers null."""
    if not is_number(values.type):
        return values.cast(pa.bool_())
    numbers = values.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_in(numbers, pa.array([0.0, 1.0])), pc.equal(numbers, 1.0), None)


def _label(values: pa.Array) -> pa.Array:
    """Categories; other types are converted to texts.

    Raises:
        pyarrow.ArrowInvalid: the type cannot be converted.
    """
    if pa.types.is_integer(values.type):
        return values.cast(pa.string()).dictionary_encode()
    converted = readable(values)
    if converted is None or pa.types.is_list(converted.type):
        raise pa.ArrowInvalid("it is not text")
    if is_time(converted.type):
        return times_as_texts(converted)
    encoded = names(converted)
    return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), encoded.dictionary)


def _answer(values: pa.Array) -> pa.Array:
    converted = None if pa.types.is_dictionary(values.type) else readable(values)
    return converted if converted is not None and pa.types.is_floating(converted.type) else _label(values)


def _feature(values: pa.Array) -> pa.Array | None:
    """None if the type cannot be measured: one such column must not reject the others."""
    converted = readable(values)
    if converted is None or pa.types.is_boolean(converted.type) or pa.types.is_floating(converted.type):
        return converted
    if is_time(converted.type):
        return times_as_texts(converted)
    if pa.types.is_list(converted.type):
        return converted
    if pa.types.is_dictionary(converted.type):
        return _label(converted)
    known = len(converted) - converted.null_count
    is_long = known and pc.sum(pc.binary_length(converted)).as_py() > TEXT_FROM * known
    return converted if is_long else converted.dictionary_encode()


def _time(values: pa.Array) -> pa.Array:
    """µs since the epoch; null for values that are not times."""
    return micros_of_column(values)


_Convert = Callable[[pa.Array], pa.Array | None]
_BY_TYPE: dict[FieldType, _Convert] = {
    FieldType.ID: _id,
    FieldType.VERSION: _label,
    FieldType.LABEL: _label,
    FieldType.ANSWER: _answer,
    FieldType.PROBABILITY: _number,
    FieldType.MILLISECONDS: _milliseconds,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    **{kind: partial(item_fields.column, kind) for kind in item_fields.CHECKS},
}
_COLUMNS: dict[str, _Convert] = {
    **dict.fromkeys(STREAM_FIELDS, _label),
    "timestamp": _time,
    **{name: _BY_TYPE[field.type] for name, field in ALL.items()},
}
_GROUPS: dict[str, _Convert] = {
    "features": _feature,
    "segments": _label,
    "probabilities": _number,
    "attributions": _number,
}
_EACH: dict[_Convert, tuple[Callable[[str], Any], pa.DataType]] = {
    _number: (_each(number), pa.float64()),
    _milliseconds: (_each(number), pa.float64()),
    _boolean: (_each(boolean), pa.bool_()),
}
"""Converters of single texts (None if unreadable), and the resulting type of the column."""
