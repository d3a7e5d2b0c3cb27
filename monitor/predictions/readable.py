"""Arrow columns of whatever type as one of the few types that are measured, or not at all.

What people write into files has many types; what is measured has few: numbers, true and false, texts, lists of numbers,
and moments in time. One column that is none of these must never stop the others.

- integers, decimals and floats of any width are float64;
- durations and times of day are seconds (times of day: since midnight), so they are numbers;
- texts of any layout, bytes that hold nothing but text, and uuids are texts;
- a dictionary column holds categories, also when they are written as numbers (a pandas categorical);
- timestamps and dates stay what they are;
- a text that is none in UTF-8 keeps what can be read, with question marks;
- bytes, maps, lists of anything but numbers, and other nested types cannot be measured.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.columns import EMBEDDING, names

_NO_TEXT = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
A_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""How many of a unit of time are a second."""
_UUID_BYTES, _UUID_LENGTH = 16, 36
_UUID_DIGITS = np.delete(np.arange(_UUID_LENGTH), [8, 13, 18, 23])


def readable(column: pa.Array) -> pa.Array | None:
    """The column as bool, float64, string, a dictionary of strings, a list of float32, timestamp or date; None where
    nothing of that type can be measured.
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
        return column.cast(EMBEDDING, safe=False)
    return _text_of_bytes(column) if is_bytes(kind) else None


def flat(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Objects inside records as columns with a dot: `features: {a: 1}` as `features.a`, however deep."""
    if not any(pa.types.is_struct(kind) for kind in rows.schema.types):
        return rows
    names: list[str] = []
    columns: list[pa.Array] = []
    for name, values in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_struct(values.type):
            names += [f"{name}.{inner.name}" for inner in values.type]
            columns += values.flatten()
        else:
            names.append(name)
            columns.append(values)
    return flat(
        pa.RecordBatch.from_arrays(columns, names=names).replace_schema_metadata(rows.schema.metadata)
    )


def flat_table(table: pa.Table) -> pa.Table:
    """The same for a table."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table


def is_number(kind: pa.DataType) -> bool:
    """A type of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_text(kind: pa.DataType) -> bool:
    """A type of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_time(kind: pa.DataType) -> bool:
    """A timestamp or a date."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Bytes of no known meaning."""
    is_long = pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return bool(pa.types.is_binary(kind) or is_long)


def is_vector(kind: pa.DataType) -> bool:
    """A list of numbers."""
    lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)
    return bool(lists and (is_number(kind.value_type) or pa.types.is_null(kind.value_type)))


def is_uuid(kind: pa.DataType) -> bool:
    """The type that Parquet and Arrow have for uuids."""
    return getattr(kind, "extension_name", "") == "arrow.uuid"


def uuids(column: pa.Array) -> pa.StringArray:
    """A column of uuids as they are written, `8f14e45f-ceea-467f-a0e6-5a1b9f2a4c3d`."""
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
    """Texts. Files and programs may call bytes a text that are none in UTF-8; those bytes become question marks."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        found = [
            None if one is None else one.decode(errors="replace")
            for one in column.cast(pa.binary()).to_pylist()
        ]
        return pa.array(found, pa.string())
    return column


def _labels(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Each label once, none of them missing: a dictionary may be otherwise."""
    labels = _text(column.dictionary)
    if labels is column.dictionary and not labels.null_count and len(labels.unique()) == len(labels):
        return column
    return labels.take(column.indices).dictionary_encode()


def _categories(column: pa.DictionaryArray) -> pa.Array | None:
    """Categories are texts. Moments and lists are no categories: there, a dictionary only saves space."""
    inner = readable(column.dictionary)
    if inner is None:
        return None
    if is_time(inner.type) or pa.types.is_list(inner.type):
        return inner.take(column.indices)
    written = names(inner)  # two numbers may be written alike: 1 and 1.0
    indices = written.indices.take(column.indices).cast(pa.int32())
    return pa.DictionaryArray.from_arrays(indices, written.dictionary)


def _seconds(column: pa.Array) -> pa.Array:
    kind = column.type
    width = pa.int32() if pa.types.is_time32(kind) else pa.int64()
    return pc.divide(column.cast(width).cast(pa.float64(), safe=False), A_SECOND[kind.unit])


def _text_of_bytes(column: pa.Array) -> pa.Array | None:
    """Bytes as texts where they are: some programs that write Parquet do not say that their texts are texts."""
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        return None
    return None if pc.any(pc.match_substring_regex(texts, _NO_TEXT)).as_py() else texts
