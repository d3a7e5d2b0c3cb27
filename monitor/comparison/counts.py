"""Counts one column of both tables, and measures several counted columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from monitor.comparison.result import ColumnResult
from monitor.comparison.tables import ColumnSource
from monitor.metrics import MetricSettings, Subject
from monitor.metrics.drift import column_drift, presence
from monitor.predictions.intake.arrow_types import is_number, readable
from monitor.predictions.log import arrays
from monitor.records import Labels, Measurement, Stream, Window
from monitor.times.reading import DateOrder
from monitor.windows.baseline_from_table import Baseline
from monitor.windows.kernel.count_rows import count_slice
from monitor.windows.layout import column_kinds, edges, from_table
from monitor.windows.layout.build import assemble
from monitor.windows.layout.layout import Column, ColumnKind, Floats, Layout
from monitor.windows.profile import NOTATION, OVERALL, Profile, Slice, empty, merge_slices

STREAM, WINDOW = Stream("", "comparison"), Window(0, 1)
_MOST_REFERENCE_ROWS = 20_000_000
_ROWS = 131_072  # at a time
_SORTED = (ColumnKind.NUMBER, ColumnKind.INTEGER)
_OVERALL_FIGURES = (column_drift.DRIFTED_SHARE.name, presence.SCHEMA_CHANGES.name)


@dataclass(frozen=True, slots=True)
class CountedColumn:
    """A column (several for texts, times and embeddings; `layout` tells which), counted in both tables."""

    name: str
    layout: Layout
    notes: Sequence[str]
    reference: Slice
    current: Slice

    @property
    def is_rewritten(self) -> bool:
        """Whether most labels of the current table are written in another way, such as `True` for true."""
        part = self.current
        return any(
            name.startswith(NOTATION) and 2 * sum(t.values()) > part.rows for name, t in part.tallies.items()
        )


def count_column(
    base: ColumnSource,
    new: ColumnSource,
    name: str,
    target: str,
    chosen: Mapping[str, ColumnKind],
    dates: DateOrder | None = None,
) -> CountedColumn:
    """Build the buckets of a column from the reference, and count both tables. `target` is its name in a prediction
    batch.
    """
    columns, notes, values = _described(base, name, target, chosen.get(name), dates)
    layout = assemble((), columns)
    if values is None:
        return CountedColumn(name, layout, notes, empty(layout), empty(layout))
    reference = _count((values.slice(at, _ROWS) for at in range(0, len(values), _ROWS)), target, layout)
    current = _count((column_kinds.plain(chunk) for chunk in new.chunks(name)), target, layout)
    return CountedColumn(name, layout, notes, reference, current)


def measure_columns(counted: Sequence[CountedColumn], settings: MetricSettings) -> list[ColumnResult]:
    """Measure some columns. Fifty in one call cost little more than one."""
    names = [column.name for one in counted for column in one.layout.columns]
    if len(set(names)) < len(names):  # a layout cannot have two columns with one name
        return [result for one in counted for result in measure_columns([one], settings)]
    layout = assemble((), (column for one in counted for column in one.layout.columns))
    reference = _side_by_side(layout, [one.reference for one in counted])
    current = _side_by_side(layout, [one.current for one in counted])
    baseline = Baseline(STREAM, "reference", 0.0, "", layout, Profile(layout, {OVERALL: reference}))
    subject = Subject(STREAM, WINDOW, Profile(layout, {OVERALL: current}), baseline, settings)
    measured = _by_column([*column_drift.measure(subject), *presence.measure(subject)])
    return [
        ColumnResult(
            name=one.name if not column.part else f"{one.name}#{column.part}",
            kind=column.kind,
            measurements=tuple(measured.get(column_drift.where(column), ())),
            expected_psi=_expected_psi(column.cells, one),
            note="; ".join(note.removeprefix("features.") for note in one.notes),
            counts=(one.reference.column(column.name), one.current.column(column.name)),
        )
        for one in counted
        for column in one.layout.columns
    ]


def _described(
    base: ColumnSource, name: str, target: str, kind: ColumnKind | None, dates: DateOrder | None
) -> tuple[list[Column], list[str], pa.Array | None]:
    """The buckets of a column, notes about it, and the column, or a part of a very long one; None if it cannot be
    measured.

    Numbers are sorted, missing values last: counting them then needs no sort.
    """
    if is_number(base.type(name)) and kind in (None, *_SORTED):
        values, missing = _numbers(base, name)
        kind_of_numbers = kind or column_kinds.find(arrays.with_missing_last(values, 0))
        if kind_of_numbers in _SORTED:
            values.sort()
            return (
                [edges.numbers(target, values, kind_of_numbers)],
                [],
                arrays.with_missing_last(values, missing),
            )
    chunks = list(base.chunks(name, _MOST_REFERENCE_ROWS))
    column = pa.chunked_array(chunks).combine_chunks() if chunks else pa.nulls(0, base.type(name))
    converted = readable(column)
    if converted is None:
        nothing, _ = from_table.describe(target, pa.nulls(0, pa.float64()), ColumnKind.EMPTY)
        return nothing, [f"{name} is of type {column.type}, which cannot be measured"], None
    return *from_table.describe(target, converted, kind, dates), converted


def _numbers(base: ColumnSource, name: str) -> tuple[Floats, int]:
    """The numbers of a column as a new array, NaN if missing, and the number of missing values."""
    values = np.empty(base.rows)
    at = missing = 0
    for chunk in base.chunks(name, _MOST_REFERENCE_ROWS):
        values[at : at + len(chunk)] = arrays.floats(column_kinds.plain(chunk))
        at, missing = at + len(chunk), missing + chunk.null_count
    return values[:at], missing


def _count(chunks: Iterable[pa.Array], target: str, layout: Layout) -> Slice:
    parts = [count_slice(pa.RecordBatch.from_arrays([chunk], [target]), layout) for chunk in chunks]
    return merge_slices(parts) if parts else empty(layout)


def _side_by_side(layout: Layout, slices: Sequence[Slice]) -> Slice:
    """Counts of different columns as one slice of `layout`, in which the columns follow each other."""
    return replace(
        empty(layout),
        kept=np.concatenate([part.counts for part in slices]),
        sums=np.concatenate([part.sums for part in slices]),
        extremes=np.concatenate([part.extremes for part in slices]),
    )


def _by_column(measured: Iterable[Measurement]) -> dict[Labels, list[Measurement]]:
    by_labels: dict[Labels, list[Measurement]] = {}
    for one in measured:
        if one.metric not in _OVERALL_FIGURES:
            by_labels.setdefault(one.labels, []).append(one)
    return by_labels


def _expected_psi(cells: tuple[int, ...], counted: CountedColumn) -> float:
    """The PSI that chance alone gives."""
    n, m = counted.current.rows, counted.reference.rows
    return (len(cells) - 1) * (1 / n + 1 / m) if n and m else 0.0
