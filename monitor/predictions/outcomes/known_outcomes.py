"""The known outcomes of the rows of one batch of predictions."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.fields import OUTCOME_FIELDS, UNITED
from monitor.predictions.log.batch import concatenate, decode, encode
from monitor.predictions.log.item_lists import united

BEFORE = "_before"
"""Suffix of the column with what was known of a united field before; only where it is counted, never stored."""
_BEFORE = tuple(f"{name}{BEFORE}" for name in UNITED)


@dataclass(frozen=True, slots=True)
class KnownOutcomes:
    """Columns `row` (number in the batch), the outcome's fields and `delay`. A field of a row occurs once; of one that
    is united (`UNITED`), the last occurrence holds all that is known. `added` counts the values that were united.
    """

    rows: pa.RecordBatch
    added: int = 0

    @classmethod
    def of(cls, blob: bytes | None) -> "KnownOutcomes":
        """Decode the bytes of `encode`; None gives an empty set."""
        return cls(_record_batch({"row": pa.array([], pa.int64())}) if blob is None else decode(blob))

    @property
    def is_empty(self) -> bool:
        """Whether no outcome is known."""
        return bool(self.rows.num_rows == 0)

    @property
    def fields(self) -> int:
        """The number of known values."""
        present = [self.rows.column(name) for name in OUTCOME_FIELDS if name in self.rows.schema.names]
        return int(sum(len(values) - values.null_count for values in present)) + self.added

    def encode(self) -> bytes:
        """Encode the outcomes."""
        return encode(self.rows)

    def plus(self, other: "KnownOutcomes") -> "KnownOutcomes":
        """The union of these outcomes and `other`."""
        passing = [name for name in _BEFORE if name in other.rows.schema.names]
        rows = other.rows.drop_columns(passing) if passing else other.rows
        return KnownOutcomes(rows if self.is_empty else _latest_only(concatenate([self.rows, rows])))

    def new_outcomes(
        self, rows: np.ndarray, outcomes: pa.RecordBatch, batch: pa.RecordBatch
    ) -> "KnownOutcomes":
        """The part of `outcomes` about `rows` that is not known yet; of a repeated field, the first value, and of
        one that is united all values together, beside what was known before (`<field>_before`).

        `outcomes` holds one outcome for each of `rows`, in order of arrival; `batch` is the batch of predictions.
        """
        columns: dict[str, pa.Array] = {}
        before: dict[str, pa.Array] = {}
        added = 0
        for name in OUTCOME_FIELDS:
            if name in UNITED and name in outcomes.schema.names:
                columns[name], before[f"{name}{BEFORE}"], more = self._united(name, rows, outcomes)
                added += more
            elif name in outcomes.schema.names:
                indices = np.flatnonzero(~np.asarray(outcomes.column(name).is_null()))
                indices = indices[~np.isin(rows[indices], self._rows(name))]
                indices = indices[np.sort(np.unique(rows[indices], return_index=True)[1])]
                columns[name] = _only(outcomes.column(name), indices)
        delay = (_times(outcomes) - _times(batch)[rows]) / 1e6
        truth = columns.get("truth", pa.nulls(outcomes.num_rows))
        delays = pa.array(np.maximum(delay, 0.0), mask=np.asarray(truth.is_null()) | np.isnan(delay))
        with_delay = _record_batch({"row": pa.array(rows, pa.int64()), **columns, **before, "delay": delays})
        is_new = np.zeros(outcomes.num_rows, bool)
        for name in columns:
            is_new |= ~np.asarray(columns[name].is_null())
        return KnownOutcomes(with_delay.filter(pa.array(is_new)), added)

    def _united(
        self, name: str, rows: np.ndarray, outcomes: pa.RecordBatch
    ) -> tuple[pa.Array, pa.Array, int]:
        """What is known now of each row that got something new, at its first outcome here; what was known before; and
        how many further outcomes added something.
        """
        before = self._latest(name, set(rows.tolist()))
        known, added = dict(before), 0
        first: dict[int, int] = {}
        for place, (row, text) in enumerate(
            zip(rows.tolist(), outcomes.column(name).to_pylist(), strict=True)
        ):
            if text is None:
                continue
            total = united(filter(None, (known.get(row), text)))
            if total == known.get(row):
                continue
            added += row in first
            known[row] = total
            first.setdefault(row, place)
        now: list[str | None] = [None] * len(rows)
        past: list[str | None] = [None] * len(rows)
        for row, place in first.items():
            now[place], past[place] = known[row], before.get(row)
        return pa.array(now, pa.string()), pa.array(past, pa.string()), added

    def _latest(self, name: str, wanted: set[int]) -> dict[int, str]:
        """What is known of some rows, by row."""
        if name not in self.rows.schema.names:
            return {}
        pairs = zip(self.rows.column("row").to_pylist(), self.rows.column(name).to_pylist(), strict=True)
        return {row: text for row, text in pairs if row in wanted and text is not None}

    def join(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The predictions with known outcomes, with the columns `outcome.<field>` added."""
        rows = np.unique(np.asarray(self.rows.column("row")))
        return self._beside(batch.take(pa.array(rows)), rows)

    def join_all(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """All predictions of the batch, with the columns `outcome.<field>` added, null where unknown."""
        return self._beside(batch, np.arange(batch.num_rows))

    def _beside(self, joined: pa.RecordBatch, rows: np.ndarray) -> pa.RecordBatch:
        """Add the outcomes to rows of the batch, whose numbers in it are `rows` in ascending order."""
        position = np.searchsorted(rows, np.asarray(self.rows.column("row")))
        columns, names = list(joined.columns), list(joined.schema.names)
        for name in (*OUTCOME_FIELDS, *_BEFORE, "delay"):
            if name in self.rows.schema.names:
                values = self.rows.column(name)
                source = np.full(len(rows), -1)
                present = np.flatnonzero(~np.asarray(values.is_null()))
                source[position[present]] = present
                columns.append(values.take(pa.array(source, mask=source < 0)))
                names.append(f"outcome.{name}")
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _rows(self, name: str) -> np.ndarray:
        if name not in self.rows.schema.names:
            return np.empty(0, np.int64)
        return np.asarray(self.rows.filter(pc.is_valid(self.rows.column(name))).column("row"))


def _latest_only(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows, without what a later one has of the same united field: else each outcome would store all that was known
    before once more.
    """
    owners, is_empty = np.asarray(rows.column("row")), np.ones(rows.num_rows, bool)
    for name in (name for name in (*OUTCOME_FIELDS, "delay") if name in rows.schema.names):
        values = rows.column(name)
        present = np.flatnonzero(~np.asarray(values.is_null()))
        if name in UNITED:
            last = len(present) - 1 - np.unique(owners[present][::-1], return_index=True)[1]
            present = present[np.sort(last)]
            rows = rows.set_column(rows.schema.get_field_index(name), name, _only(values, present))
        is_empty[present] = False
    return rows.filter(pa.array(~is_empty)) if is_empty.any() else rows


def _only(values: pa.Array, chosen: np.ndarray) -> pa.Array:
    """The values at the chosen indices, null elsewhere."""
    source = np.full(len(values), -1)
    source[chosen] = chosen
    return values.take(pa.array(source, mask=source < 0))


def _record_batch(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _times(rows: pa.RecordBatch) -> np.ndarray:
    """µs since the epoch, NaN if unknown."""
    return np.asarray(rows.column("timestamp"), np.float64)
