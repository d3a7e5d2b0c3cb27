"""Tables sorted by time."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.comparison.tables import ColumnSource, open_source
from monitor.errors import InputError
from monitor.records import Window
from monitor.sources.files.csv_dialect import DETECTED, Dialect
from monitor.times.columns import micros_of_column
from monitor.times.order import decided
from monitor.times.reading import DateOrder
from monitor.windows.baseline_from_table import conform
from monitor.windows.layout.layout import is_answer


@dataclass(frozen=True, slots=True, eq=False)
class OrderedRows:
    """Rows sorted by time, named as in a prediction batch; `seconds` is the time of each, float64 (n,).

    `untimed` rows had no readable time, and were skipped. `notes` describe unreadable lines.
    """

    table: pa.Table
    seconds: np.ndarray
    untimed: int
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are watched for drift."""
        named = (name for name in self.table.column_names if is_answer(name) or name.startswith("features."))
        return tuple(name.removeprefix("features.") for name in named)

    @property
    def start(self) -> float:
        """The time of the first row."""
        return float(self.seconds[0])

    @property
    def end(self) -> float:
        """The time of the last row."""
        return float(self.seconds[-1])

    def rows(self, start: float, end: float) -> pa.Table:
        """The rows in `[start, end)`."""
        first, stop = np.searchsorted(self.seconds, [start, end])
        return self.table.slice(int(first), int(stop - first))

    def windows(self, seconds: int) -> list[Window]:
        """The windows of this length, aligned to the epoch, that have rows; without the last one, which may be
        incomplete.
        """
        numbers = np.unique(self.seconds // seconds).astype(np.int64)[:-1]
        return [Window(int(number) * seconds, (int(number) + 1) * seconds) for number in numbers]


def read(data: object, time: str, ignore: Collection[str], dialect: Dialect = DETECTED) -> OrderedRows:
    """Read the rows of a file or frame, sorted by the column `time`.

    Raises:
        InputError: the data cannot be read, has no such column, or no row has a time.
    """
    source = open_source(data, dialect)
    unknown = sorted({time, *ignore} - set(source.names))
    if unknown:
        raise InputError(
            f"there is no column {unknown[0]!r}",
            hint=f"the columns are {', '.join(source.names)}; `time` names the column with the time of each row",
        )
    columns = [name for name in source.names if name not in {time, "timestamp", *ignore}]
    if not columns:
        raise InputError(
            "there is no column to monitor", hint="add a feature or a prediction besides the time"
        )
    micros = _micros(source, time, dialect.dates)
    table = conform(pa.table({name: _column(source, name) for name in columns}))
    has_time = pc.is_valid(micros)
    untimed = len(micros) - int(pc.sum(has_time).as_py() or 0)
    if untimed == len(micros):
        raise InputError(f"no row has a time in {time!r}", hint="use ISO 8601, a timestamp, or a number")
    table, micros = table.filter(has_time), micros.filter(has_time)
    order = pc.sort_indices(micros)
    return OrderedRows(table.take(order), np.asarray(micros.take(order)) / 1e6, untimed, tuple(source.notes))


def _micros(source: ColumnSource, time: str, dates: DateOrder | None) -> pa.Array:
    """µs since the epoch, null where no time can be read.

    Raises:
        InputError: the date order is unknown.
    """
    column = _column(source, time)
    parts = column.chunks
    order = decided(time, parts, dates)
    parts_in_micros = [micros_of_column(part, order) for part in parts]
    return pa.concat_arrays(parts_in_micros) if parts_in_micros else pa.nulls(0, pa.int64())


def _column(source: ColumnSource, name: str) -> pa.ChunkedArray:
    pieces = list(source.chunks(name))
    return pa.chunked_array(pieces) if pieces else pa.chunked_array([], source.type(name))
