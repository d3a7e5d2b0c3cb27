"""A file as one table, whatever kind of file it is: for baselines, comparisons and reports, which look at all of it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from monitor.errors import InputError
from monitor.predictions.columns import EMBEDDING
from monitor.predictions.readable import is_number, is_text, is_vector
from monitor.sources import delimited, dialect, lines
from monitor.sources.delimited import Broken, Piece
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.local import ARROW, DELIMITED, JSON, KINDS, LocalFile, arrow_batches, ending, first_line

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FileTable:
    """A file's rows, and what a person should know about lines that are none."""

    rows: pa.Table
    notes: tuple[str, ...] = ()


def read_table(path: Path, said: Dialect = FOUND) -> FileTable:
    """A file as an Arrow table; `said` is what somebody says of a CSV file. A folder is one of Parquet files.

    Raises:
        InputError: the file is missing, of another format, or none of its lines is a row.
    """
    try:
        return _read(path, said)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (pa.ArrowException, OSError) as error:
        hint = "" if ending(path.name) in KINDS else f"known are {', '.join(KINDS)}"
        hint = "a folder is read as one table of Parquet files; name a file" if path.is_dir() else hint
        raise InputError(f"{path} cannot be read: {first_line(error)}", hint=hint) from error


def _read(path: Path, said: Dialect) -> FileTable:
    kind = ending(path.name)
    if kind in DELIMITED:
        read = partial(delimited.read, said=said)
        return _whole(path, read, read)
    if kind in JSON:
        return _whole(path, lines.read, lines.one_by_one)
    if kind in ARROW:
        with pa.OSFile(str(path)) as file:
            return FileTable(pa.Table.from_batches(arrow_batches(file)))
    from pyarrow import parquet  # 12 MB that a daemon needs only while it makes a baseline from such a file

    return FileTable(parquet.read_table(path))


_Reader = Callable[[LocalFile, Collection[str]], Iterator[Piece]]
_Key = tuple[str, int]
"""A column's name, and how many before it in a row have the same."""


def _whole(path: Path, read: _Reader, read_texts: _Reader) -> FileTable:
    """All pieces of a file of text. A column that holds anything but numbers anywhere holds texts everywhere."""
    file = LocalFile(path)
    pieces = list(read(file, ()))
    columns = _columns(pieces)
    mixed = {name for (name, _), parts in columns.items() if _common(parts) is None}
    if mixed:
        pieces = list(read_texts(file, mixed))
        columns = _columns(pieces)
    broken = [one for piece in pieces for one in piece.broken]
    names = [name for name, _ in columns]
    if broken and not any(piece.rows.num_rows for piece in pieces):
        first = broken[0]
        raise InputError(
            f"no line of {path} is a row; {path}:{first.line}: {first.reason}",
            hint=dialect.doubt(names) or first.hint,
        )
    notes = [*_about(path, broken), *filter(None, [dialect.doubt(names)])]
    return FileTable(
        pa.Table.from_arrays([_joined(parts) for parts in columns.values()], names), tuple(notes)
    )


def _columns(pieces: Sequence[Piece]) -> dict[_Key, list[pa.Array]]:
    """The parts of each column; a piece that does not have it gives missing values."""
    held = [dict(zip(_keys(piece.rows.schema.names), piece.rows.columns, strict=True)) for piece in pieces]
    keys = dict.fromkeys(key for one in held for key in one)
    return {
        key: [
            one[key] if key in one else pa.nulls(piece.rows.num_rows)
            for one, piece in zip(held, pieces, strict=True)
        ]
        for key in keys
    }


def _keys(names: Sequence[str]) -> list[_Key]:
    return [(name, names[:place].count(name)) for place, name in enumerate(names)]


def _common(parts: Sequence[pa.Array]) -> pa.DataType | None:
    """One type for all parts of a column; None if they have nothing in common but that they can be written."""
    kinds = {part.type for part in parts if part.null_count < len(part)}
    if len(kinds) < 2:
        return next(iter(kinds), pa.null())
    if all(map(is_number, kinds)):
        return pa.float64()
    if all(is_text(kind) or pa.types.is_dictionary(kind) for kind in kinds):
        return pa.string()
    return EMBEDDING if all(map(is_vector, kinds)) else None


def _joined(parts: Sequence[pa.Array]) -> pa.ChunkedArray:
    kind = _common(parts) or pa.string()
    same = [
        pa.nulls(len(part), kind) if part.null_count == len(part) else part.cast(kind, safe=False)
        for part in parts
    ]
    return pa.chunked_array(same, kind)


def _about(path: Path, broken: Sequence[Broken]) -> list[str]:
    """What to say of lines that are left out: the first of them, and how many more there are."""
    told = [
        f"{path}:{one.line} is left out: {one.reason}" + (f" ({one.hint})" if one.hint and at == 0 else "")
        for at, one in enumerate(broken[:_SHOWN])
    ]
    rest = len(broken) - len(told)
    return [*told, f"{rest:,} more lines of {path} are left out"] if rest else told
