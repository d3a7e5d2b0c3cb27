"""A table in order of time."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.comparison.source import Source, open_source
from monitor.drift.adapter import OUTPUTS
from monitor.errors import InputError
from monitor.records import Window
from monitor.sources.dialect import FOUND, Dialect
from monitor.windows.reference import conform, typed


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rows in order of time, named as in a prediction batch; `seconds` says when each was, float64 (n,).

    `untimed` rows had no time that could be read, and are left out. `notes` tell of lines that are no rows.
    """

    table: pa.Table
    seconds: np.ndarray
    untimed: int
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """What is watched."""
        named = (name for name in self.table.column_names if name in OUTPUTS or name.startswith("features."))
        return tuple(name.removeprefix("features.") for name in named)

    @property
    def start(self) -> float:
        """When the first row was."""
        return float(self.seconds[0])

    @property
    def end(self) -> float:
        """When the last row was."""
        return float(self.seconds[-1])

    def rows(self, start: float, end: float) -> pa.Table:
        """The rows in `[start, end)`."""
        first, stop = np.searchsorted(self.seconds, [start, end])
        return self.table.slice(int(first), int(stop - first))

    def windows(self, seconds: int) -> list[Window]:
        """The windows of this length, aligned to the epoch, that hold rows; not the last one, which may be cut off."""
        numbers = np.unique(self.seconds // seconds).astype(np.int64)[:-1]
        return [Window(int(number) * seconds, (int(number) + 1) * seconds) for number in numbers]


def read(data: object, time: str, ignore: Collection[str], said: Dialect = FOUND) -> History:
    """Rows of a file or frame by the time that the column `time` says.

    Raises:
        InputError: it cannot be read, has no such column, or no row has a time.
    """
    source = open_source(data, said)
    unknown = sorted({time, *ignore} - set(source.names))
    if unknown:
        raise InputError(
            f"there is no column {unknown[0]!r}",
            hint=f"the columns are {', '.join(source.names)}; `time` names the one that says when a row was",
        )
    kept = [name for name in source.names if name not in {time, "timestamp", *ignore}]
    if not kept:
        raise InputError("there is no column to watch", hint="besides the time, a feature or a prediction")
    micros = _micros(source, time)
    table = conform(pa.table({name: _column(source, name) for name in kept}))
    known = pc.is_valid(micros)
    untimed = len(micros) - int(pc.sum(known).as_py() or 0)
    if untimed == len(micros):
        raise InputError(f"no row has a time in {time!r}", hint="use ISO 8601, a timestamp, or a number")
    table, micros = table.filter(known), micros.filter(known)
    order = pc.sort_indices(micros)
    return History(table.take(order), np.asarray(micros.take(order)) / 1e6, untimed, tuple(source.notes))


def _micros(source: Source, time: str) -> pa.Array:
    micros = typed("timestamp", _column(source, time))
    assert micros is not None
    return micros


def _column(source: Source, name: str) -> pa.ChunkedArray:
    pieces = list(source.chunks(name))
    return pa.chunked_array(pieces) if pieces else pa.chunked_array([], source.type(name))
