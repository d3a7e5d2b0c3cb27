"""Reads CSV in chunks. No value stops the reading of a file, and no value is lost.

All values are read as texts, and converted where a column holds numbers (see `csv_cells`). Lines with too many or too
few values, or with bytes that are not valid in the file's encoding, are rejected with their line number. Empty cells
are missing values.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from monitor.errors import InputError
from monitor.sources.files import csv_dialect, text_stream
from monitor.sources.files.csv_cells import CellTypes
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.sources.files.local import ReadableFile

_BLOCK_SIZES = (8_000_000, 128_000_000, 2_000_000_000)
"""Bytes per block, tried in turn until no row is longer."""
_HEADER_BLOCK_SIZE = 500_000
_TOO_LONG = "straddling"
_FIRST_ROW = 2
_MIN_LINES, _MIN_SHARE_OF_ROWS = 2, 0.9


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A line of a file that is not a row, and the reason. `file` is its name if it is not the file being read."""

    line: int
    text: str
    reason: str
    hint: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class CsvChunk:
    """Some rows of a file, the share of the file that is read by then, and the unreadable lines in between."""

    rows: pa.RecordBatch
    share: float
    unreadable: tuple[UnreadableRow, ...] = ()


def read(
    file: ReadableFile,
    as_text: Collection[str] = (),
    configured: Dialect = DETECTED,
    numeric: Collection[str] = (),
) -> Iterator[CsvChunk]:
    """The rows of a file; columns in `as_text` stay texts. Those in `numeric` may have decimal commas.

    Raises:
        InputError: the header has bytes that are not valid in the encoding.
        pyarrow.ArrowInvalid: the file is empty.
        OSError: the file cannot be read.
    """
    if not file.size:
        raise pa.ArrowInvalid("it is empty")
    dialect = csv_dialect.of(file, configured)
    names = _names(file, dialect)
    kinds = [pa.string() if name in as_text else None for name in names]
    texts = {index for index, name in enumerate(names) if name in as_text and name in numeric}
    cells = CellTypes(kinds, texts, decimal_commas=dialect.has_decimal_commas)
    first = _FIRST_ROW
    for block in _BLOCK_SIZES:
        lines = _Lines(dialect, first)
        try:
            yield from _pieces(file, names, cells, lines, block)
        except pa.ArrowInvalid as error:
            if _TOO_LONG not in str(error) or block == _BLOCK_SIZES[-1]:
                raise
            first = lines.next
        else:
            return


def _pieces(
    file: ReadableFile, names: list[str], cells: CellTypes, lines: "_Lines", block: int
) -> Iterator[CsvChunk]:
    with (
        text_stream.opened(file, lines.dialect.encoding) as text,
        _reader(text.stream, names, lines, block) as reader,
    ):
        for rows in reader:
            valid, broken = lines.split(rows, has_wrong_bytes=text.has_wrong_bytes)
            yield CsvChunk(cells.converted(valid), text.share, broken)
    if broken := lines.rest():
        no_rows = pa.RecordBatch.from_arrays([pa.nulls(0, pa.string()) for _ in names], names=names)
        yield CsvChunk(no_rows, 1.0, broken)


class _Lines:
    """Tells rows from unreadable lines: rows have as many values as the header, and only valid bytes.

    Each row counts as one line. Lines are numbered from 1, the header. Lines before `first` were returned earlier.
    """

    def __init__(self, dialect: Dialect, first: int) -> None:
        self.dialect = dialect
        self.next = _FIRST_ROW
        self._first = first
        self._skipped: list[UnreadableRow] = []

    def skip(self, row: pa.csv.InvalidRow) -> str:
        """Record a line with another number of values than the header."""
        reason = f"{row.actual_columns} values instead of {row.expected_columns}"
        self._skipped.append(UnreadableRow(row.number, text_stream.unmarked(row.text), reason))
        return "skip"

    def split(
        self, rows: pa.RecordBatch, *, has_wrong_bytes: bool
    ) -> tuple[pa.RecordBatch, tuple[UnreadableRow, ...]]:
        """The valid rows of a block, and its unreadable lines.

        Rows are searched for invalid bytes only if `has_wrong_bytes`.
        """
        numbers = self._numbers(rows.num_rows)
        is_invalid = np.zeros(rows.num_rows, bool)
        for column in rows.columns if has_wrong_bytes else ():
            is_invalid |= np.asarray(text_stream.has_marks(column))
        unreadable = [
            self._undecoded(rows.slice(at, 1), int(numbers[at])) for at in np.flatnonzero(is_invalid)
        ]
        open_quotes = self._open_quotes(rows)
        unreadable += [_unclosed(value, int(numbers[at])) for at, value in open_quotes.items()]
        is_invalid[list(open_quotes)] = True
        is_valid = ~is_invalid & (numbers >= self._first)
        self.next = int(numbers[-1]) + 1 if len(numbers) else self.next
        valid_rows = rows if is_valid.all() else rows.filter(pa.array(is_valid))
        return valid_rows, self._take_until_next(
            [*unreadable, *(one for one in self._skipped if one.line < self.next)]
        )

    def rest(self) -> tuple[UnreadableRow, ...]:
        """The unreadable lines after the last row."""
        return self._take_until_next(self._skipped)

    def _take_until_next(self, broken: list[UnreadableRow]) -> tuple[UnreadableRow, ...]:
        """Sort the unreadable lines, and drop recorded ones that are returned by this."""
        self._skipped = [
            one for one in self._skipped if one.line >= self.next
        ]  # Arrow parses one block ahead
        return tuple(sorted((one for one in broken if one.line >= self._first), key=lambda one: one.line))

    def _open_quotes(self, rows: pa.RecordBatch) -> dict[int, str]:
        """The rows with a value that contains further rows because its quote is not closed, and that value."""
        values: dict[int, str] = {}
        for column in rows.columns:
            has_lines = pc.fill_null(pc.greater(pc.count_substring(column, "\n"), _MIN_LINES), False)
            for at in np.flatnonzero(np.asarray(has_lines)).tolist():
                value = str(column[at].as_py())
                inner = value.split("\n")[1:-1]
                alike = [line.count(self.dialect.separator or ",") == rows.num_columns - 1 for line in inner]
                if rows.num_columns > 1 and sum(alike) > _MIN_SHARE_OF_ROWS * len(inner):
                    values[at] = value
        return values

    def _numbers(self, rows: int) -> np.ndarray:
        """The line number of each row of a block, int64 (rows,)."""
        lines = np.arange(self.next, self.next + rows + len(self._skipped))
        skipped = [one.line - self.next for one in self._skipped if one.line - self.next < len(lines)]
        return np.delete(lines, skipped)[:rows]

    def _undecoded(self, row: pa.RecordBatch, line: int) -> UnreadableRow:
        values = [column[0].as_py() or "" for column in row.columns]
        name, value = next(
            (n, v) for n, v in zip(row.schema.names, values, strict=True) if text_stream.wrong_byte(v)
        )
        reason = f"byte {text_stream.wrong_byte(value)} in {name!r} is not {self.dialect.encoding.upper()}"
        whole = (self.dialect.separator or ",").join(text_stream.unmarked(one) for one in values)
        return UnreadableRow(line, whole, reason, csv_dialect.OTHER_ENCODING)


def _unclosed(value: str, line: int) -> UnreadableRow:
    lines = value.count("\n") + 1
    reason = f"a quote is not closed: {lines:,} lines are in one value, and all of them were rejected"
    return UnreadableRow(line, text_stream.unmarked(value), reason, "write a quote inside a value twice")


def _reader(stream: pa.NativeFile, names: list[str], lines: _Lines, block: int) -> pa.csv.CSVStreamingReader:
    convert = pa.csv.ConvertOptions(
        check_utf8=False,  # already decoded
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
    )
    options = pa.csv.ReadOptions(block_size=block, use_threads=False)  # only one thread counts lines
    parse = pa.csv.ParseOptions(
        delimiter=lines.dialect.separator, newlines_in_values=True, invalid_row_handler=lines.skip
    )
    return pa.csv.open_csv(stream, options, parse, convert)


def _names(file: ReadableFile, dialect: Dialect) -> list[str]:
    names = _header(file, dialect)
    for number, name in enumerate(names, 1):
        if byte := text_stream.wrong_byte(name):
            raise InputError(
                f"{file.name}:1: byte {byte} in the name of column {number} is not {dialect.encoding.upper()}",
                hint=csv_dialect.OTHER_ENCODING,
            )
    return names


def _header(file: ReadableFile, dialect: Dialect) -> list[str]:
    """The first line of a file; Arrow reads it together with some rows."""
    parse = pa.csv.ParseOptions(delimiter=dialect.separator, invalid_row_handler=lambda _: "skip")
    for block in (_HEADER_BLOCK_SIZE, *_BLOCK_SIZES):
        options = pa.csv.ReadOptions(block_size=block, use_threads=False)
        with text_stream.opened(file, dialect.encoding) as text:
            try:
                return list(pa.csv.open_csv(text.stream, options, parse).schema.names)
            except pa.ArrowInvalid as error:
                if _TOO_LONG not in str(error) or block == _BLOCK_SIZES[-1]:
                    raise
    raise AssertionError
