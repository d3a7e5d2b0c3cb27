"""Converts Arrow columns of any type to one of the few types that can be measured.

Files have many types; measured are numbers, booleans, texts, lists of numbers, and times. A column of any other type
never rejects the others.

- integers, decimals and floats of any width are float64; - durations and times of day are seconds (times of day: since
midnight), so they are numbers; - texts of any layout, bytes that contain only text, and uuids are texts; - a dictionary
column holds categories, even if they are numbers (a pandas categorical); - timestamps and dates are kept; - in a text
that is not valid UTF-8, invalid bytes are replaced by question marks; - bytes, maps, lists of anything but numbers, and
other nested types cannot be measured.
"""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.intake.nested_json import OUTPUTS
from monitor.predictions.log.arrays import codes, valid
from monitor.predictions.log.columns import EMBEDDING, names
from monitor.text_limits import LONGEST_PATH

_NO_TEXT = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
A_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Units of time per second."""
_BYTES_OF_A_NUMBER = 8
_UNREADABLE = pa.list_(pa.binary())
"""A type that is never measured."""
_UUID_BYTES, _UUID_LENGTH = 16, 36
_UUID_DIGITS = np.delete(np.arange(_UUID_LENGTH), [8, 13, 18, 23])


def readable(column: pa.Array) -> pa.Array | None:
    """The column as bool, float64, string, a dictionary of strings, a list of float32, timestamp or date; None if its
    type cannot be measured.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return uuids(column) if is_uuid(kind) else readable(column.storage)
    if pa.types.is_dictionary(kind):
        return _labels(column) if pa.types.is_string(kind.value_type) else _categories(column)
    if pa.types.is_run_end_encoded(kind):
        return readable(pc.run_end_decode(column))
    if pa.types.is_boolean(kind) or is_time(kind):
        return column
    if is_number(kind) or pa.types.is_null(kind):
        return column.cast(pa.float64(), safe=False)
    if is_text(kind):
        return _text(column.cast(pa.string()))
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return _seconds(column)
    if is_vector(kind):
        vectors = column.cast(EMBEDDING, safe=False)
        # A null list may still refer to numbers: `take` drops them.
        return vectors.take(pa.array(np.arange(len(vectors)))) if vectors.null_count else vectors
    return _text_of_bytes(column) if is_bytes(kind) else None


def expanded_bytes(column: pa.Array) -> int:
    """The bytes of all values of variable length in a column, repeated values counted each time."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return expanded_bytes(column.storage)
    if pa.types.is_struct(kind):
        return sum(expanded_bytes(column.field(index)) for index in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        sizes = np.append(_sizes(column.dictionary), 0)
        return int(sizes[codes(column, len(sizes) - 1)].sum())
    if pa.types.is_run_end_encoded(kind):
        ends = np.asarray(column.run_ends.cast(pa.int64()))
        return int((_sizes(column.values) * np.diff(ends, prepend=0)).sum())
    return int(_sizes(column).sum())


def _sizes(column: pa.Array) -> np.ndarray:
    """The approximate bytes of each value of variable length, int64 (n,); 0 for other types."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _sizes(column.storage)
    if pa.types.is_dictionary(kind):
        entries = np.append(_sizes(column.dictionary), 0)
        return np.asarray(entries[codes(column, len(column.dictionary))])
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        views = np.frombuffer(column.buffers()[1] or b"", "<i4").reshape(-1, 4)
        sizes = views[column.offset :][: len(column), 0].astype(np.int64)
        return np.asarray(np.maximum(sizes, 0) * valid(column))
    if is_text(kind) or is_bytes(kind):
        return np.asarray(pc.binary_length(column).fill_null(0)).astype(np.int64)
    if pa.types.is_fixed_size_binary(kind):
        return np.full(len(column), kind.byte_width)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return np.asarray(pc.list_value_length(column).fill_null(0)).astype(np.int64) * _BYTES_OF_A_NUMBER
    return np.zeros(len(column), np.int64)


def plain(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows in plain layouts: runs decoded, views as texts, extension types as their storage types (except
    uuids). Columns that cannot be converted cannot be measured.
    """
    columns = [_plain(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _plain(column: pa.Array) -> pa.Array:
    kind = column.type
    try:
        if isinstance(kind, pa.BaseExtensionType) and not is_uuid(kind):
            return _plain(column.storage)
        if pa.types.is_run_end_encoded(kind):
            return _plain(column.values).take(pa.array(_places_of_runs(column)))
        if pa.types.is_string_view(kind):
            return column.cast(pa.string())
        if pa.types.is_binary_view(kind):
            return column.cast(pa.binary())
        if pa.types.is_struct(kind):
            fields = [kind.field(index).name for index in range(kind.num_fields)]
            inner = [_plain(field) for field in column.flatten()]
            return pa.StructArray.from_arrays(inner, fields) if fields else pa.nulls(len(column), _UNREADABLE)
        if pa.types.is_dictionary(kind) and pa.types.is_list(kind.value_type):
            return column.dictionary.take(column.indices)
        if pa.types.is_dictionary(kind) and pa.types.is_nested(kind.value_type):
            return pa.nulls(len(column), _UNREADABLE)
        is_unsupported = (
            pa.types.is_union(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
        )
        return pa.nulls(len(column), _UNREADABLE) if is_unsupported or pa.types.is_map(kind) else column
    except (pa.ArrowException, ValueError, TypeError):
        return pa.nulls(len(column), _UNREADABLE)


def _places_of_runs(column: pa.RunEndEncodedArray) -> np.ndarray:
    """The index of the value that each row of a run-end encoded column has, shape (n,)."""
    ends = np.asarray(column.run_ends.cast(pa.int64()))
    places = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    return places[column.offset :][: len(column)]


def flat(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Nested objects as columns with dotted names: `features: {a: 1}` as `features.a`, at any depth. Fields that are
    objects themselves are texts with JSON.

    Raises:
        pyarrow.ArrowInvalid: a dotted name has more than `LONGEST_PATH` characters.
    """
    check_paths(rows.schema)
    if not any(pa.types.is_struct(kind) for kind in rows.schema.types):
        return rows
    names: list[str] = []
    columns: list[pa.Array] = []
    for name, values in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_struct(values.type) and name in OUTPUTS:
            names.append(name)
            columns.append(_objects_as_texts(values))
        elif pa.types.is_struct(values.type):
            names += [f"{name}.{inner.name}" for inner in values.type]
            columns += values.flatten()
        else:
            names.append(name)
            columns.append(values)
    return flat(
        pa.RecordBatch.from_arrays(columns, names=names).replace_schema_metadata(rows.schema.metadata)
    )


def _objects_as_texts(values: pa.StructArray) -> pa.Array:
    """Numbers by output as texts with JSON; an output that is null in a row is none of that row."""
    given = (
        one and {name: value for name, value in one.items() if value is not None}
        for one in values.to_pylist()
    )
    return pa.array([json.dumps(one, default=str) if one else None for one in given], pa.string())


def check_paths(schema: pa.Schema) -> None:
    """Check the lengths of dotted names before they are built: ten thousand columns in one whose name has a million
    characters would take ten gigabytes.

    Raises:
        pyarrow.ArrowInvalid: as `flat`.
    """
    waiting = [(len(field.name), field.type) for field in schema if pa.types.is_struct(field.type)]
    while waiting:
        length, kind = waiting.pop()
        for field in kind:
            path = length + 1 + len(field.name)
            if path > LONGEST_PATH:
                msg = f"the name of a nested column has {path:,} characters, more than {LONGEST_PATH:,}"
                raise pa.ArrowInvalid(msg)
            if pa.types.is_struct(field.type):
                waiting.append((path, field.type))


def flat_table(table: pa.Table) -> pa.Table:
    """As `flat`, for a table."""
    check_paths(table.schema)
    for place, (name, kind) in enumerate(zip(table.schema.names, table.schema.types, strict=True)):
        if name in OUTPUTS and pa.types.is_struct(kind):
            chunks = [_objects_as_texts(chunk) for chunk in table.column(place).chunks]
            table = table.set_column(place, name, pa.chunked_array(chunks, pa.string()))
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table


def is_number(kind: pa.DataType) -> bool:
    """Whether this is a type of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether this is a type of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether this is a type of timestamps or dates."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether this is a type of raw bytes."""
    is_long = pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(pa.types.is_binary(kind) or is_long)


def is_vector(kind: pa.DataType) -> bool:
    """Whether this is a list of numbers."""
    lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)
    return bool(lists and (is_number(kind.value_type) or pa.types.is_null(kind.value_type)))


def is_uuid(kind: pa.DataType) -> bool:
    """Whether this is the type of uuids in Parquet and Arrow."""
    return getattr(kind, "extension_name", "") == "arrow.uuid"


def uuids(column: pa.Array) -> pa.StringArray:
    """A column of uuids as texts, `8f14e45f-ceea-467f-a0e6-5a1b9f2a4c3d`."""
    size = len(column)
    data = pc.fill_null(column.storage, bytes(_UUID_BYTES)).cast(pa.binary(_UUID_BYTES))
    raw = data.buffers()[1].slice(data.offset * _UUID_BYTES, size * _UUID_BYTES)
    digits = np.frombuffer(raw.to_pybytes().hex().encode(), np.uint8).reshape(size, 2 * _UUID_BYTES)
    letters = np.full((size, _UUID_LENGTH), ord("-"), np.uint8)
    letters[:, _UUID_DIGITS] = digits
    ends = np.arange(size + 1, dtype=np.int32) * _UUID_LENGTH
    texts = pa.StringArray.from_buffers(size, pa.py_buffer(ends), pa.py_buffer(letters))
    return pc.if_else(column.is_valid(), texts, None)


def _text(column: pa.StringArray) -> pa.StringArray:
    """Texts. Invalid bytes, which files and programs may contain, become question marks."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        decoded = [
            None if raw is None else raw.decode(errors="replace")
            for raw in column.cast(pa.binary()).to_pylist()
        ]
        return pa.array(decoded, pa.string())
    return column


def _labels(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """A dictionary without duplicates and nulls."""
    labels = _text(column.dictionary)
    if labels is column.dictionary and not labels.null_count and len(labels.unique()) == len(labels):
        return column
    return labels.take(column.indices).dictionary_encode()


def _categories(column: pa.DictionaryArray) -> pa.Array | None:
    """Categories are texts. For times and lists, a dictionary only saves space."""
    inner = readable(column.dictionary)
    if inner is None:
        return None
    if is_time(inner.type) or pa.types.is_list(inner.type):
        return inner.take(column.indices)
    written = names(inner)  # two numbers may have one text: 1 and 1.0
    indices = written.indices.take(column.indices).cast(pa.int32())
    return pa.DictionaryArray.from_arrays(indices, written.dictionary)


def _seconds(column: pa.Array) -> pa.Array:
    kind = column.type
    width = pa.int32() if pa.types.is_time32(kind) else pa.int64()
    return pc.divide(column.cast(width).cast(pa.float64(), safe=False), A_SECOND[kind.unit])


def _text_of_bytes(column: pa.Array) -> pa.Array | None:
    """Bytes as texts if they are: some programs that write Parquet do not mark texts as such."""
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        return None
    return None if pc.any(pc.match_substring_regex(texts, _NO_TEXT)).as_py() else texts
