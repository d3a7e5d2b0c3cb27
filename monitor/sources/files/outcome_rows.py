"""Outcomes in files: in the same rows as the predictions, or in a file of their own by id."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.fields import ANSWERS, OUTCOME_FIELDS, STREAM_FIELDS
from monitor.predictions.log.batch import Batch, concatenate
from monitor.records import Stream
from monitor.sources.files.locations import Location

PREFIX = "outcome."
_COLUMNS = tuple(f"{PREFIX}{name}" for name in OUTCOME_FIELDS)
_KEPT = frozenset(("id", "timestamp", *STREAM_FIELDS, *_COLUMNS))
_FINGERPRINT_BYTES = 1_000_000
_SLICE_ROWS = 5_000
"""Outcomes per batch: as many as are matched at a time."""

Outcomes = tuple[Stream, pa.RecordBatch]
"""Outcomes of one stream: `id`, `timestamp` (null if unknown), and their fields."""


def has_only_outcomes(names: Sequence[str]) -> bool:
    """Whether columns of these names (as in the log) hold outcomes of predictions that are stored elsewhere."""
    has_answers = not set(names).isdisjoint((*ANSWERS, "error"))
    return "id" in names and not has_answers and not set(names).isdisjoint(_COLUMNS)


def without_use(names: Sequence[str]) -> set[str]:
    """The columns of a file of outcomes that hold no field of an outcome."""
    return set(names) - _KEPT


def as_outcomes(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of a file of outcomes, named as in an outcome request."""
    kept = [
        (name.removeprefix(PREFIX), column)
        for name, column in zip(rows.schema.names, rows.columns, strict=True)
        if name in _KEPT
    ]
    names, columns = [name for name, _ in kept], [column for _, column in kept]
    return pa.RecordBatch.from_arrays(columns, names=names).replace_schema_metadata(rows.schema.metadata)


def not_empty(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The outcomes that have at least one value."""
    has_value = [
        np.asarray(rows.column(name).is_valid()) for name in OUTCOME_FIELDS if name in rows.schema.names
    ]
    return rows.filter(pa.array(np.logical_or.reduce(has_value)))


def with_ids(rows: pa.RecordBatch, place: Location, first: int) -> pa.RecordBatch:
    """Add ids to rows that include outcomes. Rows without id get one from their file and number."""
    if set(rows.schema.names).isdisjoint(_COLUMNS):
        return rows
    numbers = pa.array(np.arange(first, first + rows.num_rows)).cast(pa.string())
    ids = pc.binary_join_element_wise(fingerprint(place), numbers, "-")
    if "id" not in rows.schema.names:
        return rows.append_column("id", ids)
    at = rows.schema.names.index("id")
    return rows.set_column(at, "id", pc.coalesce(rows.column(at).cast(pa.string()), ids))


def fingerprint(place: Location) -> str:
    """A short hash of a file, independent of its location: of its size and first million bytes."""
    with place.open() as file:
        return blake2b(file.read(_FINGERPRINT_BYTES) + str(place.size).encode(), digest_size=6).hexdigest()


def separated(batches: Sequence[Batch]) -> tuple[list[Batch], list[Outcomes]]:
    """The predictions without their outcomes, and the outcomes."""
    outcomes: dict[Stream, list[pa.RecordBatch]] = {}
    plain = []
    for batch in batches:
        outcome_columns = [name for name in batch.rows.schema.names if name.startswith(PREFIX)]
        plain.append(
            replace(batch, rows=batch.rows.drop_columns(outcome_columns)) if outcome_columns else batch
        )
        rows = _outcomes_of(batch.rows)
        if rows is not None:
            outcomes.setdefault(batch.stream, []).append(rows)
    return plain, [
        (stream, part) for stream, parts in outcomes.items() for part in slices(concatenate(parts))
    ]


def slices(rows: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Outcomes in slices."""
    return [rows.slice(start, _SLICE_ROWS) for start in range(0, rows.num_rows, _SLICE_ROWS)]


def _outcomes_of(rows: pa.RecordBatch) -> pa.RecordBatch | None:
    """The rows that have an outcome, as outcomes; None if there are none."""
    names = [name for name in _COLUMNS if name in rows.schema.names]
    if not names or "id" not in rows.schema.names:
        return None
    has_outcome = np.logical_or.reduce([np.asarray(rows.column(name).is_valid()) for name in names])
    if not has_outcome.any():
        return None
    time_column = f"{PREFIX}timestamp"
    times = (
        rows.column(time_column) if time_column in rows.schema.names else pa.nulls(rows.num_rows, pa.int64())
    )
    columns = [rows.column("id"), times, *(rows.column(name) for name in names)]
    named = ["id", "timestamp", *(name.removeprefix(PREFIX) for name in names)]
    return pa.RecordBatch.from_arrays(columns, names=named).filter(pa.array(has_outcome))
