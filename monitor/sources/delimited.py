"""CSV some rows at a time, whatever stands in it: no value ends a file, and no value is lost.

Everything is read as the text that it is. A column whose first values are all numbers, or all true and false, is
converted piece by piece; a piece in which it holds anything else keeps its texts. Codes such as `01067` are texts. A
line with too many or too few values is set aside with its number. An empty cell is a missing value.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from monitor.errors import InputError

_BLOCK = 8_000_000
_NO_VALUE = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None")
"""What stands for a missing number. Among texts it may be one: `NA` is a country."""


class File(Protocol):
    """What can be read: one of `monitor.sources.places`, or simply one of this machine."""

    @property
    def name(self) -> str:
        """Its full name as people write it."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def open(self) -> pa.NativeFile:
        """The file for reading at any place in it."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this machine, without Arrow's file systems: a daemon would hold seven megabytes for them."""

    path: Path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    def open(self) -> pa.NativeFile:
        """The file for reading.

        Raises:
            OSError: it cannot be read.
        """
        return pa.OSFile(str(self.path))


@dataclass(frozen=True, slots=True)
class Broken:
    """A line of a file that is no row, and why."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file, the share of it that is read then, and the lines on the way that are no rows."""

    rows: pa.RecordBatch
    share: float
    broken: tuple[Broken, ...] = ()


def read(place: File, as_text: Collection[str] = (), delimiter: str = ",") -> Iterator[Piece]:
    """The rows of a file; columns in `as_text` stay texts.

    Raises:
        pyarrow.ArrowInvalid: it is empty, or no UTF-8.
        OSError: it cannot be read.
    """
    broken: list[Broken] = []

    def set_aside(row: pa.csv.InvalidRow) -> str:
        reason = f"{row.actual_columns} values instead of {row.expected_columns}"
        broken.append(Broken(row.number, row.text, reason))
        return "skip"

    if not place.size:
        raise pa.ArrowInvalid("it is empty")
    with place.open() as file:
        names = _names(place, delimiter)
        convert = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        )
        options = pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False)  # only one thread counts lines
        parse = pa.csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=set_aside
        )
        kinds: list[pa.DataType | None] = [pa.string() if name in as_text else None for name in names]
        with pa.csv.open_csv(file, options, parse, convert) as reader:
            for rows in reader:
                share = min(1.0, file.tell() / max(1, place.size))
                yield Piece(_converted(rows, kinds), share, tuple(broken))
                broken.clear()
    if broken:  # no row stood behind them
        nothing = pa.RecordBatch.from_arrays([pa.nulls(0, pa.string()) for _ in names], names=names)
        yield Piece(nothing, 1.0, tuple(broken))


def table(place: File, delimiter: str = ",") -> pa.Table:
    """A whole file. A column that holds anything but numbers anywhere holds texts everywhere.

    Raises:
        InputError: a line is no row, or the file cannot be read.
    """
    try:
        batches = [_whole(piece, place) for piece in read(place, (), delimiter)]
        kinds = [{column.type for column in columns} - {pa.null()} for columns in _columns(batches)]
        mixed = {name for name, kind in zip(_names_of(batches), kinds, strict=True) if len(kind) > 1}
        if mixed:
            batches = [_whole(piece, place) for piece in read(place, mixed, delimiter)]
    except FileNotFoundError as error:
        raise InputError(f"{place.name} does not exist") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place.name} cannot be read: {str(error).splitlines()[0]}") from error
    columns = [_joined(column) for column in _columns(batches)]
    return pa.Table.from_arrays(columns, names=_names_of(batches))


def _names(place: File, delimiter: str) -> list[str]:
    parse = pa.csv.ParseOptions(delimiter=delimiter, invalid_row_handler=lambda _: "skip")
    with place.open() as file, pa.csv.open_csv(file, parse_options=parse) as reader:
        return list(reader.schema.names)


def _converted(rows: pa.RecordBatch, kinds: list[pa.DataType | None]) -> pa.RecordBatch:
    """The columns in their kinds; of a column of no kind yet, the first values decide."""
    columns = []
    for place, column in enumerate(rows.columns):
        wanted = kinds[place]
        tried = _tried(column) if wanted is None else (wanted,)
        found = next((cast for kind in tried if (cast := _cast(column, kind)) is not None), column)
        if wanted is None and column.null_count < len(column):
            kinds[place] = found.type
        columns.append(found)
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def _tried(texts: pa.Array) -> tuple[pa.DataType, ...]:
    """What a column may hold besides texts: digits behind a zero are a code, such as `01067`."""
    return () if pc.any(pc.match_substring_regex(texts, r"^0\d")).as_py() else (pa.float64(), pa.bool_())


def _cast(texts: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The texts as values of a kind, or None where one is none."""
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), kind)
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        pass
    try:
        return _cleaned(texts).cast(kind)
    except pa.ArrowInvalid:
        return None


def _cleaned(texts: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, pa.array(_NO_VALUE)), pa.scalar(None, pa.string()), trimmed)


def _whole(piece: Piece, place: File) -> pa.RecordBatch:
    for one in piece.broken:
        raise InputError(f"{place.name}:{one.line}: {one.reason}")
    return piece.rows


def _columns(batches: list[pa.RecordBatch]) -> list[tuple[pa.Array, ...]]:
    return list(zip(*(batch.columns for batch in batches), strict=True))


def _names_of(batches: list[pa.RecordBatch]) -> list[str]:
    return list(batches[0].schema.names) if batches else []


def _joined(parts: tuple[pa.Array, ...]) -> pa.ChunkedArray:
    kind = next((part.type for part in parts if part.null_count < len(part)), pa.null())
    return pa.chunked_array([part if part.type == kind else part.cast(kind) for part in parts], kind)
