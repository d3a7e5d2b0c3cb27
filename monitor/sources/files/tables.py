"""A file of any format as one table: for baselines, comparisons and reports, which need all rows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.intake.arrow_types import is_number, is_text, is_vector
from monitor.predictions.log.columns import EMBEDDING
from monitor.sources.files import csv_dialect, csv_reader, json_reader
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.csv_reader import CsvChunk, UnreadableRow
from monitor.sources.files.local import (
    ARROW,
    DELIMITED,
    JSON,
    KINDS,
    LocalFile,
    arrow_batches,
    ending,
    first_line,
)
from monitor.sources.files.pandas_metadata import restored
from monitor.visible import counted

_MAX_NOTES = 3


@dataclass(frozen=True, slots=True)
class FileTable:
    """The rows of a file, and notes on unreadable lines."""

    rows: pa.Table
    notes: tuple[str, ...] = ()


def read_table(path: Path, dialect: Dialect = DETECTED) -> FileTable:
    """A file as an Arrow table. `dialect` is the configured format of a CSV file. A folder is read as Parquet files.

    Raises:
        InputError: the file is missing, has another format, or has no valid row.
    """
    try:
        return _read(path, dialect)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (pa.ArrowException, OSError) as error:
        hint = "" if ending(path.name) in KINDS else f"supported are {', '.join(KINDS)}"
        hint = "a folder is read as one table of Parquet files; name a file" if path.is_dir() else hint
        raise InputError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error


def _read(path: Path, dialect: Dialect) -> FileTable:
    kind = ending(path.name)
    if kind in DELIMITED:
        read = partial(csv_reader.read, configured=dialect)
        return _all_pieces(path, read, read)
    if kind in JSON:
        return _all_pieces(path, json_reader.read, json_reader.one_by_one)
    if kind in ARROW:
        with pa.OSFile(str(path)) as file:
            return FileTable(restored(pa.Table.from_batches(arrow_batches(file))))
    from pyarrow import parquet  # 12 MB that a daemon needs only while it makes a baseline from such a file

    return FileTable(restored(parquet.read_table(path)))


_Reader = Callable[[LocalFile, Collection[str]], Iterator[CsvChunk]]
_Key = tuple[str, int]
"""A column's name, and the number of earlier columns with the same name."""


def _all_pieces(path: Path, read: _Reader, read_texts: _Reader) -> FileTable:
    """All pieces of a text file. A column that holds anything but numbers in one piece holds texts in all."""
    file = LocalFile(path)
    pieces = list(read(file, ()))
    columns = _columns(pieces)
    mixed = {name for (name, _), parts in columns.items() if _common(parts) is None}
    if mixed:
        pieces = list(read_texts(file, mixed))
        columns = _columns(pieces)
    unreadable = [line for piece in pieces for line in piece.unreadable]
    names = [name for name, _ in columns]
    if unreadable and not any(piece.rows.num_rows for piece in pieces):
        first = unreadable[0]
        raise InputError(
            f"{path} has no valid row; {path}:{first.line}: {first.reason}",
            hint=csv_dialect.doubt(names) or first.hint,
        )
    notes = [*_notes_on(path, unreadable), *filter(None, [csv_dialect.doubt(names)])]
    return FileTable(
        pa.Table.from_arrays([_concatenated(parts) for parts in columns.values()], names), tuple(notes)
    )


def _columns(pieces: Sequence[CsvChunk]) -> dict[_Key, list[pa.Array]]:
    """The parts of each column; missing values for pieces without the column."""
    columns_of_pieces = [
        dict(zip(_keys(piece.rows.schema.names), piece.rows.columns, strict=True)) for piece in pieces
    ]
    keys = dict.fromkeys(key for columns in columns_of_pieces for key in columns)
    return {
        key: [
            columns[key] if key in columns else pa.nulls(piece.rows.num_rows)
            for columns, piece in zip(columns_of_pieces, pieces, strict=True)
        ]
        for key in keys
    }


def _keys(names: Sequence[str]) -> list[_Key]:
    return [(name, names[:index].count(name)) for index, name in enumerate(names)]


def _common(parts: Sequence[pa.Array]) -> pa.DataType | None:
    """One type for all parts of a column; None if they can only be converted to texts."""
    kinds = {part.type for part in parts if part.null_count < len(part)}
    if len(kinds) < 2:
        return next(iter(kinds), pa.null())
    if all(map(is_number, kinds)):
        return pa.float64()
    if all(is_text(kind) or pa.types.is_dictionary(kind) for kind in kinds):
        return pa.string()
    return EMBEDDING if all(map(is_vector, kinds)) else None


def _concatenated(parts: Sequence[pa.Array]) -> pa.ChunkedArray:
    kind = _common(parts) or pa.string()
    same = [
        pa.nulls(len(part), kind) if part.null_count == len(part) else part.cast(kind, safe=False)
        for part in parts
    ]
    return pa.chunked_array(same, kind)


def _notes_on(path: Path, broken: Sequence[UnreadableRow]) -> list[str]:
    """Notes on skipped lines: the first of them, and the number of the others."""
    notes = [
        f"{path}:{line.line} was skipped: {line.reason}"
        + (f" ({line.hint})" if line.hint and index == 0 else "")
        for index, line in enumerate(broken[:_MAX_NOTES])
    ]
    rest = len(broken) - len(notes)
    return [*notes, f"{counted(rest, 'more line')} of {path} skipped"] if rest else notes
