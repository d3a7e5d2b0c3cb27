"""Reads JSON in chunks: one record per line, or an array of records. No record stops the reading of a file.

Arrow reads lines as columns, and fast. If it cannot, because a field has different types, a line is not JSON or nested
too deeply for Arrow, the remaining records are read one by one. Invalid records are rejected with their number.
"""

import io
import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.json

from monitor.predictions.intake.arrow_types import flat
from monitor.predictions.intake.nested_json import DEEPEST, OUTPUTS, is_too_deep, leaves
from monitor.predictions.log.columns import Value, column, name_of, nearest_float
from monitor.sources.files import text_stream
from monitor.sources.files.csv_dialect import encoding_of
from monitor.sources.files.csv_reader import CsvChunk, UnreadableRow
from monitor.sources.files.local import ReadableFile

_BLOCK_SIZE = 8_000_000
_CHUNK_RECORDS = 20_000
_NEW_LINE, _OPENING, _BOTH_OPENINGS = 0x0A, 0x5B, 0xDF
"""`[` and `{` differ in one bit."""
_Kind = TypeVar("_Kind", list[Any], dict[str, Any])


def read(
    file: ReadableFile, as_text: Collection[str] = (), exact: Collection[str] = ()
) -> Iterator[CsvChunk]:
    """The records of a file; fields in `as_text` are texts if Arrow cannot read the file. Numbers in `exact` keep all
    their digits.

    Raises:
        pyarrow.ArrowInvalid: the file is empty, or starts as an array and is not one.
        OSError: the file cannot be read.
    """
    if not file.size:
        raise pa.ArrowInvalid("it is empty")
    if _is_array(file):
        yield from _pieces(_of_array(file), as_text)
        return
    rows = 0
    options = pa.json.ReadOptions(block_size=_BLOCK_SIZE)
    try:
        parse = _as_written(file, options, exact)
        with (
            text_stream.opened(file, _encoding(file)) as text,
            pa.json.open_json(_shallow(text.stream), options, parse) as reader,
        ):
            for piece in reader:
                piece.validate(full=True)  # Arrow does not check the encoding of texts
                yield CsvChunk(flat(piece), text.share)
                rows += piece.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, RecursionError):
        yield from one_by_one(file, as_text, rows)


def _shallow(stream: pa.NativeFile) -> pa.TransformInputStream:
    """Lines as they are. Reading them raises RecursionError before Arrow gets one that is nested too deeply."""
    unfinished = b""

    def checked(block: pa.Buffer) -> pa.Buffer:
        nonlocal unfinished
        content = unfinished + bytes(block)
        begins = content.rfind(b"\n") + 1
        if _has_deep_line(content):
            raise RecursionError
        unfinished = content[begins:]
        return block

    return pa.TransformInputStream(stream, checked)


def _has_deep_line(content: bytes) -> bool:
    read = np.frombuffer(content, np.uint8)
    ends = np.append(np.flatnonzero(read == _NEW_LINE) + 1, len(content))
    openings = np.flatnonzero((read & _BOTH_OPENINGS) == _OPENING)
    in_lines = np.diff(np.searchsorted(openings, ends), prepend=0)
    many = np.flatnonzero(in_lines > DEEPEST)
    return any(is_too_deep(content[ends[line - 1] if line else 0 : ends[line]]) for line in many)


def _encoding(file: ReadableFile) -> str:
    """Raw bytes, except for UTF-16."""
    encoding = encoding_of(file)
    return text_stream.BYTES if encoding == text_stream.UTF_8 else encoding


def _as_written(
    file: ReadableFile, options: pa.json.ReadOptions, exact: Collection[str]
) -> pa.json.ParseOptions:
    """Parse options that keep texts which look like times as texts: Arrow would lose how they were written.

    Raises:
        pyarrow.ArrowInvalid: it would also lose digits of whole numbers that are names, such as ids of 64 bits, or
            whether an output is null.
    """
    with (
        text_stream.opened(file, _encoding(file)) as opened,
        pa.json.open_json(_shallow(opened.stream), options) as reader,
    ):
        schema = reader.schema
    for field in schema:
        if (field.name in exact and pa.types.is_floating(field.type)) or field.name in OUTPUTS:
            msg = f"{field.name} is read record by record"
            raise pa.ArrowInvalid(msg)
    kept = pa.schema([(field.name, _without_times(field.type)) for field in schema])
    if kept == schema:
        return pa.json.ParseOptions()
    return pa.json.ParseOptions(explicit_schema=kept, unexpected_field_behavior="error")


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_times(field.type)) for field in kind])
    return pa.list_(_without_times(kind.value_type)) if pa.types.is_list(kind) else kind


def one_by_one(file: ReadableFile, as_text: Collection[str], after: int = 0) -> Iterator[CsvChunk]:
    """The records after the first `after` ones. Lines that are not a JSON object are rejected.

    Nested objects become columns with dotted names. Each column has the widest type of its chunk; those in `as_text`
    are texts.

    Raises:
        pyarrow.ArrowInvalid: the file starts as an array and is not one.
        OSError: the file cannot be read.
    """
    yield from _pieces(_of_array(file) if _is_array(file) else _of_lines(file, after), as_text)


_Raw = tuple[int, bytes | msgspec.Raw, float]
"""A record's number, its text, and the share of the file that is read by then."""


def _is_array(file: ReadableFile) -> bool:
    return text_stream.head(file, encoding_of(file), 1000).lstrip("\ufeff \t\r\n").startswith("[")


def _of_lines(file: ReadableFile, after: int) -> Iterator[_Raw]:
    with text_stream.opened(file, _encoding(file)) as text:
        number = 0
        for line in io.BufferedReader(text.stream):
            number += bool(line.strip())
            if number > after and line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf"), text.share


def _of_array(file: ReadableFile) -> Iterator[_Raw]:
    with text_stream.opened(file, _encoding(file)) as text:
        content = bytes(text.stream.read()).removeprefix(b"\xef\xbb\xbf")
    records: Sequence[bytes | msgspec.Raw]
    try:
        records = msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        try:
            records = [json.dumps(record).encode() for record in _with_nan(content, list, error)]
        except (msgspec.DecodeError, RecursionError):
            raise pa.ArrowInvalid(str(error)) from error
    except RecursionError as error:
        raise pa.ArrowInvalid("it is nested too deeply") from error
    for number, record in enumerate(records, 1):
        yield number, record, number / len(records)


def _pieces(raw_records: Iterable[_Raw], as_text: Collection[str]) -> Iterator[CsvChunk]:
    records: list[dict[str, object]] = []
    unreadable: list[UnreadableRow] = []
    for number, raw, share in raw_records:
        try:
            records.append(_record(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            unreadable.append(
                UnreadableRow(number, bytes(raw).decode(errors="backslashreplace"), _reason(error))
            )
        if len(records) + len(unreadable) >= _CHUNK_RECORDS:
            yield CsvChunk(batch(records, as_text), share, tuple(unreadable))
            records, unreadable = [], []
    if records or unreadable:
        yield CsvChunk(batch(records, as_text), 1.0, tuple(unreadable))


def _record(raw: bytes | msgspec.Raw) -> dict[str, object]:
    if is_too_deep(bytes(raw)):
        raise RecursionError
    try:
        return leaves(msgspec.json.decode(raw, type=dict[str, object]), OUTPUTS)
    except (msgspec.DecodeError, RecursionError) as error:
        return leaves(_with_nan(bytes(raw), dict, error), OUTPUTS)


def _with_nan(text: bytes, kind: type[_Kind], error: Exception) -> _Kind:
    """Parse JSON with NaN and Infinity, which JSON does not define but the HTTP ingest also accepts.

    Raises:
        msgspec.DecodeError: `error`, if the text is invalid for another reason, such as its depth.
    """
    if isinstance(error, RecursionError):
        raise msgspec.DecodeError("it is nested too deeply") from None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise error from None
    if not isinstance(parsed, kind):
        raise error
    return parsed


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} in a text is not UTF-8"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def batch(records: Sequence[dict[str, object]], as_text: Collection[str]) -> pa.RecordBatch:
    """Records as columns of the widest type of their values; fields in `as_text` are texts."""
    names = dict.fromkeys(name for record in records for name in record)
    parents = {name[:index] for name in names for index, character in enumerate(name) if character == "."}
    columns: dict[str, pa.Array] = {}
    for name in names:
        values = [record.get(name) for record in records]
        if name in parents and values.count(None) == len(values):
            continue  # a nested object that some records do not have
        columns[name] = pa.array(map(_written, values), pa.string()) if name in as_text else _column(values)
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _column(values: Sequence[object]) -> pa.Array:
    """A column of the widest type. Lists of anything but numbers stay lists; they cannot be measured."""
    lists = [value for value in values if isinstance(value, list)]
    is_other = any(lists) and not any(map(_is_vector, filter(None, lists)))
    if is_other and len(lists) == len(values) - values.count(None):
        texts = [[_written(one) for one in value] if isinstance(value, list) else None for value in values]
        return pa.array(texts, pa.list_(pa.string()))
    return column([_value(value) for value in values])


def _is_vector(value: Sequence[object]) -> bool:
    return all(item is None or type(item) in (int, float) for item in value)


def _written(value: object) -> str | None:
    """A value as text; integers digit by digit, because large ones are not exact as floats."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return name_of(_value(value))


def _value(value: object) -> Value:
    if isinstance(value, bool | float | str) or value is None:
        return value
    if isinstance(value, int):
        return nearest_float(value)
    if isinstance(value, list) and _is_vector(value):
        return [math.nan if item is None else nearest_float(item) for item in value]
    return json.dumps(value)
