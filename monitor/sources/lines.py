"""JSON some records at a time: one a line, or an array of records; whatever stands in it, no record ends the file.

Arrow reads lines as columns, and fast. Where it cannot, because a field is a number here and a text there or a line is
no JSON, the rest is read one by one. A record that is none is set aside with its number.
"""

import io
import json
import math
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec
import pyarrow as pa
import pyarrow.json

from monitor.predictions.columns import Value, column, name_of
from monitor.predictions.readable import flat
from monitor.sources import text
from monitor.sources.delimited import Broken, Piece
from monitor.sources.local import File

_BLOCK = 8_000_000
_PIECE = 20_000


def read(file: File, as_text: Collection[str] = ()) -> Iterator[Piece]:
    """The records of a file; fields in `as_text` are texts where Arrow cannot read the file.

    Raises:
        pyarrow.ArrowInvalid: it is empty, or begins as an array and is none.
        OSError: it cannot be read.
    """
    if not file.size:
        raise pa.ArrowInvalid("it is empty")
    if _is_array(file):
        yield from _pieces(_of_array(file), as_text)
        return
    rows = 0
    options = pa.json.ReadOptions(block_size=_BLOCK)
    try:
        with text.opened(file, text.BYTES) as found, pa.json.open_json(found.stream, options) as reader:
            for piece in reader:
                piece.validate(full=True)  # Arrow takes any bytes for a text
                yield Piece(flat(piece), found.share)
                rows += piece.num_rows
    except pa.ArrowInvalid:
        yield from one_by_one(file, as_text, rows)


def one_by_one(file: File, as_text: Collection[str], after: int = 0) -> Iterator[Piece]:
    """The records after the first ones; a line that is no object of JSON is set aside.

    Objects inside records are columns with a dot. Each column has the widest kind of its piece; those in
    `as_text` are the texts that stand there.

    Raises:
        pyarrow.ArrowInvalid: it begins as an array and is none.
        OSError: it cannot be read.
    """
    yield from _pieces(_of_array(file) if _is_array(file) else _of_lines(file, after), as_text)


_Raw = tuple[int, bytes | msgspec.Raw, float]
"""A record's number, its text, and the share of the file that is read then."""


def _is_array(file: File) -> bool:
    return text.head(file, text.UTF_8, 1000).lstrip("\ufeff \t\r\n").startswith("[")


def _of_lines(file: File, after: int) -> Iterator[_Raw]:
    with text.opened(file, text.BYTES) as found:
        number = 0
        for line in io.BufferedReader(found.stream):
            number += bool(line.strip())
            if number > after and line.strip():
                yield number, line.removeprefix(b"\xef\xbb\xbf"), found.share


def _of_array(file: File) -> Iterator[_Raw]:
    with text.opened(file, text.BYTES) as found:
        whole = bytes(found.stream.read()).removeprefix(b"\xef\xbb\xbf")
    try:
        records = msgspec.json.decode(whole, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        raise pa.ArrowInvalid(str(error)) from error
    for number, record in enumerate(records, 1):
        yield number, record, number / len(records)


def _pieces(found: Iterable[_Raw], as_text: Collection[str]) -> Iterator[Piece]:
    records: list[dict[str, object]] = []
    broken: list[Broken] = []
    for number, raw, share in found:
        try:
            records.append(_record(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            broken.append(Broken(number, bytes(raw).decode(errors="backslashreplace"), _reason(error)))
        if len(records) + len(broken) >= _PIECE:
            yield Piece(_batch(records, as_text), share, tuple(broken))
            records, broken = [], []
    if records or broken:
        yield Piece(_batch(records, as_text), 1.0, tuple(broken))


def _record(raw: bytes | msgspec.Raw) -> dict[str, object]:
    record = msgspec.json.decode(raw, type=dict[str, object])
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} in a text is not UTF-8"
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)


def _batch(records: Sequence[dict[str, object]], as_text: Collection[str]) -> pa.RecordBatch:
    names = dict.fromkeys(name for record in records for name in record)
    columns = []
    for name in names:
        values = [_value(record.get(name)) for record in records]
        columns.append(pa.array(map(name_of, values), pa.string()) if name in as_text else column(values))
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def _value(value: object) -> Value:
    if isinstance(value, bool | float | str) or value is None:
        return value
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, list) and all(type(item) in (int, float) for item in value):
        return [_number(item) for item in value]
    return json.dumps(value)


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
