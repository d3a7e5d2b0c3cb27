"""CSV some rows at a time, whatever stands in it: no value ends a file, and no value is lost.

Everything is read as the text that it is, and becomes numbers where a column holds such (see `cells`). A line with too
many or too few values, or with a byte that is none of the file's encoding, is set aside with its number. An empty cell
is a missing value.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from monitor.errors import InputError
from monitor.sources import dialect, text
from monitor.sources.cells import Cells
from monitor.sources.dialect import FOUND, Dialect
from monitor.sources.local import File

_BLOCKS = (8_000_000, 128_000_000, 2_000_000_000)
"""Bytes at a time: one that no row is longer than."""
_BLOCK_OF_A_HEADER = 500_000
_TOO_LONG = "straddling"
_FIRST_ROW = 2


@dataclass(frozen=True, slots=True)
class Broken:
    """A line of a file that is no row, and why."""

    line: int
    text: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file, the share of it that is read then, and the lines on the way that are no rows."""

    rows: pa.RecordBatch
    share: float
    broken: tuple[Broken, ...] = ()


def read(file: File, as_text: Collection[str] = (), said: Dialect = FOUND) -> Iterator[Piece]:
    """The rows of a file; columns in `as_text` stay texts.

    Raises:
        InputError: bytes of its header are none of its encoding.
        pyarrow.ArrowInvalid: it is empty.
        OSError: it cannot be read.
    """
    if not file.size:
        raise pa.ArrowInvalid("it is empty")
    known = dialect.of(file, said)
    names = _names(file, known)
    kinds = [pa.string() if name in as_text else None for name in names]
    cells = Cells(kinds, decimal_commas=known.has_decimal_commas)
    first = _FIRST_ROW
    for block in _BLOCKS:
        lines = _Lines(known, first)
        try:
            yield from _pieces(file, names, cells, lines, block)
        except pa.ArrowInvalid as error:
            if _TOO_LONG not in str(error) or block == _BLOCKS[-1]:
                raise
            first = lines.next
        else:
            return


def _pieces(file: File, names: list[str], cells: Cells, lines: "_Lines", block: int) -> Iterator[Piece]:
    with (
        text.opened(file, lines.known.encoding) as found,
        _reader(found.stream, names, lines, block) as reader,
    ):
        for rows in reader:
            clear, broken = lines.parted(rows, look=found.has_wrong_bytes)
            yield Piece(cells.converted(clear), found.share, broken)
    if broken := lines.rest():
        nothing = pa.RecordBatch.from_arrays([pa.nulls(0, pa.string()) for _ in names], names=names)
        yield Piece(nothing, 1.0, broken)


class _Lines:
    """Which lines are rows: those that have as many values as the header, and no byte that is none of the encoding.

    Each row is taken for one line. Lines are counted from 1, the header; those before `first` were told before.
    """

    def __init__(self, known: Dialect, first: int) -> None:
        self.known = known
        self.next = _FIRST_ROW
        self._first = first
        self._skipped: list[Broken] = []

    def skip(self, row: pa.csv.InvalidRow) -> str:
        """Set a line aside that has another number of values than the header."""
        reason = f"{row.actual_columns} values instead of {row.expected_columns}"
        self._skipped.append(Broken(row.number, text.unmarked(row.text), reason))
        return "skip"

    def parted(self, rows: pa.RecordBatch, *, look: bool) -> tuple[pa.RecordBatch, tuple[Broken, ...]]:
        """The rows of a block without those that hold a wrong byte (if it is to `look` for such), and all lines of the
        block that are no rows.
        """
        numbers = self._numbers(rows.num_rows)
        wrong = np.zeros(rows.num_rows, bool)
        for column in rows.columns if look else ():
            wrong |= np.asarray(text.has_marks(column))
        broken = [self._undecoded(rows.slice(at, 1), int(numbers[at])) for at in np.flatnonzero(wrong)]
        clear = ~wrong & (numbers >= self._first)
        self.next = int(numbers[-1]) + 1 if len(numbers) else self.next
        kept = rows if clear.all() else rows.filter(pa.array(clear))
        return kept, self._told([*broken, *(one for one in self._skipped if one.line < self.next)])

    def rest(self) -> tuple[Broken, ...]:
        """The lines behind the last row."""
        return self._told(self._skipped)

    def _told(self, broken: list[Broken]) -> tuple[Broken, ...]:
        self._skipped = [one for one in self._skipped if one.line >= self.next]  # Arrow looks a block ahead
        return tuple(sorted((one for one in broken if one.line >= self._first), key=lambda one: one.line))

    def _numbers(self, rows: int) -> np.ndarray:
        """The line of each row of a block, int64 (rows,)."""
        every = np.arange(self.next, self.next + rows + len(self._skipped))
        skipped = [one.line - self.next for one in self._skipped if one.line - self.next < len(every)]
        return np.delete(every, skipped)[:rows]

    def _undecoded(self, row: pa.RecordBatch, line: int) -> Broken:
        values = [column[0].as_py() or "" for column in row.columns]
        name, value = next(
            (n, v) for n, v in zip(row.schema.names, values, strict=True) if text.wrong_byte(v)
        )
        reason = f"byte {text.wrong_byte(value)} in {name!r} is not {self.known.encoding.upper()}"
        whole = (self.known.separator or ",").join(text.unmarked(one) for one in values)
        return Broken(line, whole, reason, dialect.OTHER_ENCODING)


def _reader(stream: pa.NativeFile, names: list[str], lines: _Lines, block: int) -> pa.csv.CSVStreamingReader:
    convert = pa.csv.ConvertOptions(
        check_utf8=False,  # it is
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
    )
    options = pa.csv.ReadOptions(block_size=block, use_threads=False)  # only one thread counts lines
    parse = pa.csv.ParseOptions(
        delimiter=lines.known.separator, newlines_in_values=True, invalid_row_handler=lines.skip
    )
    return pa.csv.open_csv(stream, options, parse, convert)


def _names(file: File, known: Dialect) -> list[str]:
    names = _header(file, known)
    for place, name in enumerate(names, 1):
        if byte := text.wrong_byte(name):
            raise InputError(
                f"{file.name}:1: byte {byte} in the name of column {place} is not {known.encoding.upper()}",
                hint=dialect.OTHER_ENCODING,
            )
    return names


def _header(file: File, known: Dialect) -> list[str]:
    """The first line of a file, which Arrow reads together with some rows."""
    parse = pa.csv.ParseOptions(delimiter=known.separator, invalid_row_handler=lambda _: "skip")
    for block in (_BLOCK_OF_A_HEADER, *_BLOCKS):
        options = pa.csv.ReadOptions(block_size=block, use_threads=False)
        with text.opened(file, known.encoding) as found:
            try:
                return list(pa.csv.open_csv(found.stream, options, parse).schema.names)
            except pa.ArrowInvalid as error:
                if _TOO_LONG not in str(error) or block == _BLOCKS[-1]:
                    raise
    raise AssertionError
