"""The rows of a past period, read a few columns or rows at a time, because all of them could take gigabytes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from monitor.predictions.log.batch import concatenate, decode, encode
from monitor.predictions.log.stored_rows import decoded
from monitor.records import Stream
from monitor.store import predictions

_MERGED_ROWS = 50_000
_VALUES_IN_MEMORY = 16_000_000
"""Maximum number of values in memory, about 128 MB."""
_ALWAYS_PRESENT = "timestamp"
"""A column that every batch has. It gives the number of rows of batches without the requested columns."""


class SchemaNames(NamedTuple):
    """The part of a table's schema that building a layout needs."""

    names: Sequence[str]


class PeriodColumns:
    """The columns of batches of predictions, as one table would have them; valid while the connection is open.

    Reading a column also loads the columns next to it. If columns are requested in order, each batch is read only a few
    times.
    """

    def __init__(self, connection: Connection, stream: Stream, numbers: Sequence[int]) -> None:
        self._connection, self._stream, self._numbers = connection, stream, numbers
        names: dict[str, None] = {}
        self.num_rows = 0
        for rows in self._batches():
            names |= dict.fromkeys(rows.schema.names)
            self.num_rows += rows.num_rows
        self.schema = SchemaNames(list(names))
        self._loaded: dict[str, pa.Array] = {}

    def column(self, which: int | str) -> pa.Array:
        """A column by index or name."""
        name = which if isinstance(which, str) else self.schema.names[which]
        if name not in self._loaded:
            first = list(self.schema.names).index(name)
            at_once = max(1, _VALUES_IN_MEMORY // max(self.num_rows, 1))
            self._loaded = {}  # freed before others are loaded
            self._loaded = self._read(self.schema.names[first : first + at_once])
        return self._loaded[name]

    def take(self, indices: np.ndarray) -> pa.RecordBatch:
        """Rows by their indices, in ascending order."""
        parts: list[pa.RecordBatch] = []
        offset = 0
        for rows in self._batches():
            chosen = indices[(indices >= offset) & (indices < offset + rows.num_rows)] - offset
            if chosen.size:
                parts.append(decode(encode(rows.take(pa.array(chosen)))))
            offset += rows.num_rows
        return concatenate(parts)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        stored = predictions.some(self._connection, self._stream, self._numbers)
        for _, rows in decoded(self._connection, stored):
            yield rows

    def _read(self, names: Sequence[str]) -> dict[str, pa.Array]:
        wanted = {_ALWAYS_PRESENT, *names}
        parts = [
            decode(encode(rows))  # a copy: a view would keep all columns of its batch in memory
            for rows in merged(
                rows.select([n for n in rows.schema.names if n in wanted]) for rows in self._batches()
            )
        ]
        whole = concatenate(parts)
        return {name: whole.column(name) for name in names}


def merged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in larger batches; only batches with equal columns and types are merged."""
    alike: list[pa.RecordBatch] = []
    for rows in batches:
        is_full = sum(part.num_rows for part in alike) >= _MERGED_ROWS
        if alike and (is_full or not rows.schema.equals(alike[0].schema)):
            yield concatenate(alike)
            alike = []
        alike.append(rows)
    if alike:
        yield concatenate(alike)
