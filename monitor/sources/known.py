"""What became known of predictions, in files: beside them in the same rows, or in a file of its own by id."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.batches import Batch, concatenate
from monitor.predictions.fields import OUTCOME_FIELDS
from monitor.records import Stream
from monitor.sources.places import Place

PREFIX = "outcome."
_COLUMNS = tuple(f"{PREFIX}{name}" for name in OUTCOME_FIELDS)
_HEAD = 1_000_000
_TOGETHER = 5_000
"""Outcomes of one batch of the log: as many as are held against it at a time."""

Known = tuple[Stream, pa.RecordBatch]
"""Outcomes of one stream: `id`, `timestamp` (null: not known when), and their fields."""


def is_only_known(names: Sequence[str]) -> bool:
    """Do columns of these names (as in the log) tell what became known of predictions that stand elsewhere?"""
    has_answers = "prediction" in names or "error" in names
    return "id" in names and not has_answers and not set(names).isdisjoint(_COLUMNS)


def as_outcomes(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of a file of outcomes, named as in an outcome that is sent."""
    kept = [
        (name.removeprefix(PREFIX), column)
        for name, column in zip(rows.schema.names, rows.columns, strict=True)
        if name in ("id", "timestamp", "client", "model", "environment", *_COLUMNS)
    ]
    names, columns = [name for name, _ in kept], [column for _, column in kept]
    return pa.RecordBatch.from_arrays(columns, names=names).replace_schema_metadata(rows.schema.metadata)


def telling(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The outcomes that say anything yet."""
    told = [np.asarray(rows.column(name).is_valid()) for name in OUTCOME_FIELDS if name in rows.schema.names]
    return rows.filter(pa.array(np.logical_or.reduce(told)))


def with_ids(rows: pa.RecordBatch, place: Place, first: int) -> pa.RecordBatch:
    """Rows that bring what became known with them, each with an id; those without get one of their file and number."""
    if set(rows.schema.names).isdisjoint(_COLUMNS):
        return rows
    numbers = pa.array(np.arange(first, first + rows.num_rows)).cast(pa.string())
    made = pc.binary_join_element_wise(fingerprint(place), numbers, "-")
    if "id" not in rows.schema.names:
        return rows.append_column("id", made)
    at = rows.schema.names.index("id")
    return rows.set_column(at, "id", pc.coalesce(rows.column(at).cast(pa.string()), made))


def fingerprint(place: Place) -> str:
    """What tells a file from others, wherever it lies: its size and its first million bytes."""
    with place.open() as file:
        return blake2b(file.read(_HEAD) + str(place.size).encode(), digest_size=6).hexdigest()


def parted(batches: Sequence[Batch]) -> tuple[list[Batch], list[Known]]:
    """The predictions without what became known of them, and that as outcomes."""
    found: dict[Stream, list[pa.RecordBatch]] = {}
    plain = []
    for batch in batches:
        known = [name for name in batch.rows.schema.names if name.startswith(PREFIX)]
        plain.append(replace(batch, rows=batch.rows.drop_columns(known)) if known else batch)
        told = _told(batch.rows)
        if told is not None:
            found.setdefault(batch.stream, []).append(told)
    return plain, [(stream, part) for stream, some in found.items() for part in slices(concatenate(some))]


def slices(rows: pa.RecordBatch) -> list[pa.RecordBatch]:
    """Outcomes some at a time."""
    return [rows.slice(start, _TOGETHER) for start in range(0, rows.num_rows, _TOGETHER)]


def _told(rows: pa.RecordBatch) -> pa.RecordBatch | None:
    """The rows of which something is known, as outcomes; None if there are none."""
    names = [name for name in _COLUMNS if name in rows.schema.names]
    if not names or "id" not in rows.schema.names:
        return None
    is_known = np.logical_or.reduce([np.asarray(rows.column(name).is_valid()) for name in names])
    if not is_known.any():
        return None
    when = f"{PREFIX}timestamp"
    times = rows.column(when) if when in rows.schema.names else pa.nulls(rows.num_rows, pa.int64())
    columns = [rows.column("id"), times, *(rows.column(name) for name in names)]
    named = ["id", "timestamp", *(name.removeprefix(PREFIX) for name in names)]
    return pa.RecordBatch.from_arrays(columns, names=named).filter(pa.array(is_known))
