"""What is known by now of the rows of one batch of predictions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.batches import concatenate, decode, encode
from monitor.predictions.fields import OUTCOME_FIELDS


@dataclass(frozen=True, slots=True)
class Known:
    """Facts: columns `row` (number in the batch), the outcome's fields and `delay`; a field of a row stands once."""

    facts: pa.RecordBatch

    @classmethod
    def of(cls, blob: bytes | None) -> "Known":
        """What `encode` wrote, or nothing."""
        return cls(_facts({"row": pa.array([], pa.int64())}) if blob is None else decode(blob))

    @property
    def is_empty(self) -> bool:
        """Nothing is known."""
        return bool(self.facts.num_rows == 0)

    @property
    def fields(self) -> int:
        """The number of single facts."""
        present = [self.facts.column(name) for name in OUTCOME_FIELDS if name in self.facts.schema.names]
        return sum(len(values) - values.null_count for values in present)

    def encode(self) -> bytes:
        """As a blob."""
        return encode(self.facts)

    def plus(self, news: "Known") -> "Known":
        """Both together."""
        return news if self.is_empty else Known(concatenate([self.facts, news.facts]))

    def news(self, rows: np.ndarray, told: pa.RecordBatch, batch: pa.RecordBatch) -> "Known":
        """The part of what is told about `rows` that is not known yet; of a field told twice, the first.

        `told` holds one outcome for each of `rows`, in order of arrival; `batch` is the batch of predictions.
        """
        columns: dict[str, pa.Array] = {}
        for name in OUTCOME_FIELDS:
            if name in told.schema.names:
                said = np.flatnonzero(~np.asarray(told.column(name).is_null()))
                said = said[~np.isin(rows[said], self._rows(name))]
                said = said[np.sort(np.unique(rows[said], return_index=True)[1])]
                columns[name] = _only(told.column(name), said)
        delay = (_times(told) - _times(batch)[rows]) / 1e6
        truth = columns.get("truth", pa.nulls(told.num_rows))
        late = pa.array(np.maximum(delay, 0.0), mask=np.asarray(truth.is_null()) | np.isnan(delay))
        facts = _facts({"row": pa.array(rows, pa.int64()), **columns, "delay": late})
        new = np.zeros(told.num_rows, bool)
        for name in columns:
            new |= ~np.asarray(columns[name].is_null())
        return Known(facts.filter(pa.array(new)))

    def join(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The predictions of which something is known, with `outcome.<field>` beside their own columns."""
        rows = np.unique(np.asarray(self.facts.column("row")))
        return self._beside(batch.take(pa.array(rows)), rows)

    def join_all(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """All predictions of the batch, with `outcome.<field>` beside their own columns, null where unknown."""
        return self._beside(batch, np.arange(batch.num_rows))

    def _beside(self, joined: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
        """Rows of the batch, whose numbers in it are `rows` in rising order, with what is known of them."""
        place = np.searchsorted(rows, np.asarray(self.facts.column("row")))
        columns, names = list(joined.columns), list(joined.schema.names)
        for name in (*OUTCOME_FIELDS, "delay"):
            if name in self.facts.schema.names:
                values = self.facts.column(name)
                source = np.full(len(rows), -1)
                said = np.flatnonzero(~np.asarray(values.is_null()))
                source[place[said]] = said
                columns.append(values.take(pa.array(source, mask=source < 0)))
                names.append(f"outcome.{name}")
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _rows(self, name: str) -> np.ndarray:
        if name not in self.facts.schema.names:
            return np.empty(0, np.int64)
        return np.asarray(self.facts.filter(pc.is_valid(self.facts.column(name))).column("row"))


def _only(values: pa.Array, chosen: np.ndarray) -> pa.Array:
    """The values at the chosen places, null elsewhere."""
    source = np.full(len(values), -1)
    source[chosen] = chosen
    return values.take(pa.array(source, mask=source < 0))


def _facts(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _times(rows: pa.RecordBatch) -> np.ndarray:
    """µs since the epoch, NaN where it is not known when."""
    return np.asarray(rows.column("timestamp"), np.float64)
