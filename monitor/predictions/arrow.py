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
from monitor.predictions.columns import TEXT_FROM, names, times_as_texts
from monitor.predictions.readable import flat, is_text, is_time, is_uuid, readable, uuids
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
    return flat(concatenate(parts).replace_schema_metadata(metadata))


def typed(name: str, values: pa.Array) -> pa.Array | None:
    """A column in the type that the log keeps it in, or None for one that means nothing here: of no known name, or
    one of features, segments or probabilities whose type cannot be measured.

    Raises:
        InputError: its type cannot be understood as what the column is for.
    """
    convert = _converter(name)
    if convert is None:
        return None
    if convert in _EACH and pa.types.is_dictionary(values.type):  # only categories are looked at by entry
        values = values.dictionary_decode()
    try:
        return convert(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        if name.partition(".")[0] in _GROUPS and not is_text(values.type):
            return None  # one column of many, and no value in it can be read
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
        of = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if kind is None or not is_text(of):
            raise
    encoded = values.cast(pa.string()).dictionary_encode()
    read, of = kind
    column = pa.array([read(text) for text in encoded.dictionary.to_pylist()], of).take(encoded.indices)
    return column, valid(values) & ~valid(column)


def _converter(name: str) -> Callable[[pa.Array], pa.Array | None] | None:
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


def _milliseconds(values: pa.Array) -> pa.Array:
    return pc.multiply(readable(values), 1e3) if pa.types.is_duration(values.type) else _number(values)


def _number(values: pa.Array) -> pa.Array:
    return values.cast(pa.float64(), safe=not pa.types.is_integer(values.type))


def _id(values: pa.Array) -> pa.Array:
    """As texts; whole numbers digit by digit, for the larger ones are no floats."""
    if is_uuid(values.type):
        return uuids(values)
    is_plain = is_text(values.type) or pa.types.is_integer(values.type)
    return values.cast(pa.string()) if is_plain else _label(values).cast(pa.string())


def _boolean(values: pa.Array) -> pa.Array:
    return values.cast(pa.bool_())


def _label(values: pa.Array) -> pa.Array:
    """Categories; what is written in any other way is written out.

    Raises:
        pyarrow.ArrowInvalid: it cannot be written out.
    """
    if pa.types.is_integer(values.type):
        return values.cast(pa.string()).dictionary_encode()
    found = readable(values)
    if found is None or pa.types.is_list(found.type):
        raise pa.ArrowInvalid("it is no text")
    if is_time(found.type):
        return times_as_texts(found)
    encoded = names(found)
    return pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), encoded.dictionary)


def _answer(values: pa.Array) -> pa.Array:
    found = None if pa.types.is_dictionary(values.type) else readable(values)
    return found if found is not None and pa.types.is_floating(found.type) else _label(values)


def _feature(values: pa.Array) -> pa.Array | None:
    """None where nothing of that type can be measured: one such column must not stop the others."""
    found = readable(values)
    if found is None or pa.types.is_boolean(found.type) or pa.types.is_floating(found.type):
        return found
    if is_time(found.type):
        return times_as_texts(found)
    if pa.types.is_list(found.type):
        return found
    if pa.types.is_dictionary(found.type):
        return _label(found)
    known = len(found) - found.null_count
    is_long = known and pc.sum(pc.binary_length(found)).as_py() > TEXT_FROM * known
    return found if is_long else found.dictionary_encode()


def _time(values: pa.Array) -> pa.Array:
    """µs since the epoch: from timestamps, ISO 8601, or numbers (`monitor.predictions.times`); null where none fits."""
    if is_time(values.type):
        return values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    if is_text(values.type):
        return values.cast(pa.string()).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    micros, fits = micros_of_numbers(floats(values.cast(pa.float64(), safe=False)))
    return pa.array(micros, mask=~(fits & valid(values)))


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


_COLUMNS: dict[str, Callable[[pa.Array], pa.Array | None]] = {
    "client": _label,
    "model": _label,
    "environment": _label,
    "id": _id,
    "timestamp": _time,
    "version": _label,
    "prediction": _answer,
    "confidence": _number,
    "latency_ms": _milliseconds,
    "error": _label,
    "automated": _boolean,
    "cost": _number,
    "truth": _answer,
    "reviewed": _boolean,
    "corrected": _boolean,
    "feedback": _number,
}
_GROUPS: dict[str, Callable[[pa.Array], pa.Array | None]] = {
    "features": _feature,
    "segments": _label,
    "probabilities": _number,
}
_EACH: dict[Callable[[pa.Array], pa.Array | None], tuple[Callable[[str], Any], pa.DataType]] = {
    _number: (_each(number), pa.float64()),
    _milliseconds: (_each(number), pa.float64()),
    _boolean: (_each(boolean), pa.bool_()),
    _time: (micros_of, pa.int64()),
}
"""How one text is read as what a column is for (None where it cannot be), and the type that all of them have."""
