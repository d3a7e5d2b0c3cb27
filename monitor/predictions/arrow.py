"""An Arrow IPC stream of predictions to checked columns, without a Python object for each row.

The columns are those of `monitor.predictions.batches`, and `client`, `model`, `environment` as columns or, where one
value holds for all rows, as metadata of the schema. Types that mean the same are taken: any integer or float for a
number, any string type, timestamps of any unit.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from monitor.errors import InputError
from monitor.predictions.arrays import floats, valid
from monitor.predictions.batches import concatenate
from monitor.predictions.columns import EMBEDDING, TEXT_FROM, names
from monitor.predictions.times import micros_of, micros_of_numbers
from monitor.predictions.values import RecordError, boolean, number

CONTENT_TYPE = "application/vnd.apache.arrow.stream"
_HINT = "write it with pyarrow.ipc.new_stream"


def table(body: bytes) -> pa.RecordBatch:
    """All rows of a stream as one batch; the schema's metadata stays.

    Raises:
        InputError: it is no Arrow IPC stream, is damaged, or is compressed.
    """
    try:
        if any(_is_compressed(message) for message in pa.ipc.MessageReader.open_stream(body)):
            hint = "its size could not be known before: send it uncompressed"
            raise InputError("the Arrow stream has compressed buffers", hint=hint)
        with pa.ipc.open_stream(body) as reader:
            metadata, parts = reader.schema.metadata, list(reader)
        for part in parts:
            part.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, struct.error, ValueError) as error:
        raise InputError(f"the Arrow stream cannot be read: {error}", hint=_HINT) from error
    if not parts or not sum(part.num_rows for part in parts):
        raise InputError("the Arrow stream has no rows", hint=_HINT)
    if len(set(parts[0].schema.names)) < len(parts[0].schema.names):
        raise InputError("the Arrow stream has two columns of one name", hint=_HINT)
    return concatenate(parts).replace_schema_metadata(metadata)


def typed(name: str, values: pa.Array) -> pa.Array | None:
    """A column in the type that the log keeps it in, or None for one that means nothing here.

    Raises:
        InputError: its type cannot be understood as what the column is for.
    """
    convert = _converter(name)
    if convert is None:
        return None
    try:
        return convert(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"column {name!r} of type {values.type} cannot be used: {error}") from error


def legible(name: str, values: pa.Array) -> tuple[pa.Array | None, np.ndarray]:
    """The same, and which rows have something there that cannot be read: no value in the column, bool (n,).

    Raises:
        InputError: nothing could be read as what the column is for.
    """
    try:
        column = typed(name, values)
        is_whole = column is None or column.null_count == values.null_count
        return column, np.zeros(len(values), bool) if is_whole else valid(values) & ~valid(column)
    except InputError:
        convert = _converter(name)
        kind = None if convert is None else _EACH.get(convert)
        if kind is None or not _is_text(values.type):
            raise
    encoded = values.cast(pa.string()).dictionary_encode()
    read, of = kind
    column = pa.array([read(text) for text in encoded.dictionary.to_pylist()], of).take(encoded.indices)
    return column, valid(values) & ~valid(column)


def _converter(name: str) -> Callable[[pa.Array], pa.Array] | None:
    """What makes a column of this name what the log keeps, or None for one that means nothing here."""
    group, _, rest = name.partition(".")
    return _COLUMNS.get(rest if group == "outcome" else name) or (_GROUPS.get(group) if rest else None)


def _each(check: Callable[[str, object], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return check("", text)
        except RecordError:
            return None

    return read


def _number(values: pa.Array) -> pa.Array:
    return values.cast(pa.float64())


def _id(values: pa.Array) -> pa.Array:
    return values.cast(pa.string()) if _is_text(values.type) else _label(values).cast(pa.string())


def _boolean(values: pa.Array) -> pa.Array:
    return values.cast(pa.bool_())


def _label(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        return pa.DictionaryArray.from_arrays(
            values.indices.cast(pa.int32()), values.dictionary.cast(pa.string())
        )
    if _is_text(values.type):
        return values.cast(pa.string()).dictionary_encode()
    return names(values.cast(pa.bool_() if pa.types.is_boolean(values.type) else pa.float64()))


def _answer(values: pa.Array) -> pa.Array:
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    return values.cast(pa.float64()) if is_number else _label(values)


def _feature(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _label(values)
    if _is_text(kind):
        plain = values.cast(pa.string())
        known = len(plain) - plain.null_count
        is_long = known and pc.sum(pc.binary_length(plain)).as_py() > TEXT_FROM * known
        return plain if is_long else plain.dictionary_encode()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return values.cast(EMBEDDING)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _times_as_texts(values)
    return values if pa.types.is_boolean(kind) else values.cast(pa.float64())


def _times_as_texts(values: pa.Array) -> pa.Array:
    """Times and dates among the features as ISO 8601, to the second: the log has no type of its own for them."""
    whole = values.cast(pa.timestamp("s", getattr(values.type, "tz", None)), safe=False)
    return whole.cast(pa.string()).dictionary_encode()


def _time(values: pa.Array) -> pa.Array:
    """µs since the epoch: from timestamps, ISO 8601, or numbers (`monitor.predictions.times`); null where none fits."""
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
    if _is_text(values.type):
        return values.cast(pa.string()).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    micros, fits = micros_of_numbers(floats(values.cast(pa.float64(), safe=False)))
    return pa.array(micros, mask=~(fits & valid(values)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_compressed(message: pa.Message) -> bool:
    """Whether a record batch or dictionary batch says that its buffers are compressed (a field of its flatbuffer)."""
    header = message.metadata.to_pybytes()
    root = _Table(header, struct.unpack_from("<I", header)[0])
    kind, content = root.byte(1), root.child(2)
    if kind == 2 and content is not None:  # a dictionary batch holds a record batch
        content = content.child(1)
    return kind in (2, 3) and content is not None and content.child(3) is not None


class _Table:
    """As much of a flatbuffer table as is needed to find a field in it."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def _place(self, number: int) -> int:
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, self._fields + slot)[0] if slot < self._size else 0
        return self._at + offset if offset else 0

    def byte(self, number: int) -> int:
        place = self._place(number)
        return self._data[place] if place else 0

    def child(self, number: int) -> "_Table | None":
        place = self._place(number)
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0]) if place else None


_COLUMNS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "client": _label,
    "model": _label,
    "environment": _label,
    "id": _id,
    "timestamp": _time,
    "version": _label,
    "prediction": _answer,
    "confidence": _number,
    "latency_ms": _number,
    "error": _label,
    "automated": _boolean,
    "cost": _number,
    "truth": _answer,
    "reviewed": _boolean,
    "corrected": _boolean,
    "feedback": _number,
}
_GROUPS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "features": _feature,
    "segments": _label,
    "probabilities": _number,
}
_EACH: dict[Callable[[pa.Array], pa.Array], tuple[Callable[[str], Any], pa.DataType]] = {
    _number: (_each(number), pa.float64()),
    _boolean: (_each(boolean), pa.bool_()),
    _time: (micros_of, pa.int64()),
}
"""How one text is read as what a column is for (None where it cannot be), and the type that all of them have."""
