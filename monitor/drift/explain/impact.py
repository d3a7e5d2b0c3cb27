"""The impact of a changed feature on the answers, estimated from the baseline.

Each feature is divided into the coarse cells of its layout. A sample of the baseline gives the mean answer in each
cell, profiles give the share of each cell then and now. The change of the shares times the mean answers is the impact
of this feature alone. Other features that change at the same time are ignored, so it is a hint.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.config.units import format_signed
from monitor.drift.columns import Floats, Integers
from monitor.predictions.log.columns import names, numbers
from monitor.windows.layout.layout import MINUS_INFINITY, MISSING, RARE, Column
from monitor.windows.profile import Profile, Slice

PREDICTION = "prediction"
MOST_LABELS = 20

# The mean answer of a cell is shrunk towards that of all rows, with the weight of this many rows.
PRIOR_ROWS = 10.0


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of one feature alone, also in words: the share of answers that change (labels), or the shift of the
    prediction in standard deviations (numbers).
    """

    size: float
    words: str


def impacts(sample: pa.RecordBatch, reference: Profile, now: Profile) -> Mapping[str, Impact]:
    """The impact by feature column; empty if the sample has no answers. Weighted or derived columns are left out."""
    layout = reference.layout
    answer = layout.by_name.get(PREDICTION)
    if answer is None or PREDICTION not in sample.schema.names:
        return {}
    answers = _answers(sample, answer)
    results = {}
    for column in layout.columns:
        if column.name.startswith("features.") and column.name in sample.schema.names and column.buckets:
            shift = _shift(sample.column(column.name), column, answers, reference.overall, now.overall)
            results[column.name] = _impact_of(answer, shift)
    return results


def _answers(sample: pa.RecordBatch, answer: Column) -> Floats:
    """The answers of the sample: one column of zeros and ones per label, or one of standardized numbers."""
    column = sample.column(PREDICTION)
    if answer.labelled:
        labels = np.array(names(column).to_pylist(), dtype=object)
        return np.stack([labels == label for label in answer.labels[:MOST_LABELS]], axis=1).astype(float)
    values = numbers(column).values
    is_known = np.isfinite(values)
    spread = float(values[is_known].std()) if is_known.any() else 0.0
    scaled = (values - (values[is_known].mean() if is_known.any() else 0.0)) / (spread or 1.0)
    return np.where(is_known, scaled, 0.0)[:, None]


def _shift(values: pa.Array, column: Column, answers: Floats, reference: Slice, now: Slice) -> Floats:
    """The shift of each answer if only the shares of the feature's cells change."""
    cells = np.array(column.cells, dtype=np.int64)
    before, after = (_shares(part, column, cells) for part in (reference, now))
    cell = np.searchsorted(cells, _places(values, column), side="right") - 1
    count = np.bincount(cell, minlength=len(cells))
    total = np.stack([np.bincount(cell, one, len(cells)) for one in answers.T], axis=1)
    usual = answers.mean(axis=0)
    mean = (total + PRIOR_ROWS * usual) / (count + PRIOR_ROWS)[:, None]
    return np.asarray((after - before) @ mean)


def _shares(part: Slice, column: Column, cells: Integers) -> Floats:
    counts = np.add.reduceat(part.column(column.name).counts, cells)
    return np.asarray(counts / max(counts.sum(), 1e-9), dtype=float)


def _places(values: pa.Array, column: Column) -> Integers:
    """The place of each value of the sample within its column of the layout, shape (n,)."""
    if column.labelled:
        rare = column.size + RARE
        labels = names(values).to_pylist()
        return np.array(
            [MISSING if label is None else column.places.get(label, rare) for label in labels], dtype=np.int64
        )
    read = numbers(values)
    place = MINUS_INFINITY + np.searchsorted(column.cuts, read.values, side="right")
    return np.where(read.missing | np.isnan(read.values), MISSING, np.minimum(place, column.size - 1))


def _impact_of(answer: Column, shift: Floats) -> Impact:
    if not answer.labelled:
        size = float(shift[0])
        return Impact(abs(size), f"moves the prediction by {format_signed(size, 2)} sd")
    largest = int(np.abs(shift).argmax())
    label, points = answer.labels[largest], 100 * float(shift[largest])
    return Impact(float(np.abs(shift).sum() / 2), f"moves {label!r} by {points:+.1f} points")
