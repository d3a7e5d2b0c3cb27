"""Rows of Parquet as lines of JSON, some at a time, within bounds of memory: a file may have any number of columns, and
row groups of any size.
"""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from monitor.predictions.intake.nested_json import as_json
from monitor.runtime.faults import one_line

MOST_ROWS = 5_000
"""Rows of one part."""
MOST_VALUES = 500_000
"""Values of one part: there are fewer rows in it of a table with many columns."""
MOST_COLUMNS = 10_000
"""Columns of a table, counting those in nested ones. A record may have far fewer features."""
MOST_FOOTER = 16_000_000
"""Bytes of a footer, which takes 15 times as much memory."""
_BUFFER = 1 << 16
_FLAWS = (
    ArithmeticError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    pa.ArrowException,
)
"""What a value raises that Python or JSON cannot have, such as a date in the year 300000."""
_END = 8
"""Bytes at the end: the length of the footer, and the mark of the format."""


class TooWideError(ValueError):
    """A table that would take too much memory."""


def opened(file: Any) -> Any:
    """A table.

    Raises:
        TooWideError: its footer or its columns would take too much memory.
        ArrowException: it cannot be read.
        OSError: as above.
    """
    import pyarrow.parquet as parquet

    size = file.seek(0, 2)
    size = file.tell() if size is None else size
    file.seek(max(0, size - _END))
    footer = int.from_bytes(bytes(file.read(4)), "little")
    if MOST_FOOTER < footer < size:
        raise TooWideError(f"its footer has {footer:,} bytes, more than {MOST_FOOTER:,}")
    file.seek(0)
    table = parquet.ParquetFile(file, buffer_size=_BUFFER)
    if table.metadata.num_columns > MOST_COLUMNS:
        raise TooWideError(f"it has {table.metadata.num_columns:,} columns, more than {MOST_COLUMNS:,}")
    return table


def rows_from(table: Any, begin: int) -> Iterator[list[bytes]]:
    """The rows from `begin` on, in parts of a bounded size that lie in one row group each."""
    first = 0
    for group in range(table.num_row_groups):
        count = table.metadata.row_group(group).num_rows
        if begin < first + count:
            at = first
            for batch in batches(table, [group]):
                if begin < at + batch.num_rows:
                    yield lines_of(batch.slice(max(0, begin - at)))
                at += batch.num_rows
        first += count


def batches(table: Any, groups: list[int] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows in batches of a bounded size, in the order of the table."""
    most = max(1, min(MOST_ROWS, MOST_VALUES // max(1, table.metadata.num_columns)))
    for batch in table.iter_batches(batch_size=most, row_groups=groups):
        yield _in_micros(batch)


def lines_of(batch: pa.RecordBatch) -> list[bytes]:
    """A line for each row. That of a row with a value that Python cannot have is a text that says so, and is refused as
    any line that is no object.
    """
    try:
        return [_line(row) for row in batch.to_pylist(maps_as_pydicts="strict")]
    except _FLAWS:
        return [_line_of(batch.slice(at, 1)) for at in range(batch.num_rows)]


def _line_of(row: pa.RecordBatch) -> bytes:
    try:
        return _line(row.to_pylist(maps_as_pydicts="strict")[0])
    except _FLAWS as error:  # one row does not take the others with it
        return json.dumps(f"the row cannot be read: {one_line(error)}").encode()


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, default=as_json).encode()


def _in_micros(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times in ns become such in µs, as the records have them: Python has none of ns, and pandas is not loaded here."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns"
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
