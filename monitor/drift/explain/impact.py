"""What a moved feature does to the answers, by what the model answered in the baseline.

Each feature is cut into the coarse cells of its layout. From some rows of the baseline we know what the model answers
in each cell; from the profiles we know how much of the traffic was in each cell then, and is now. The change of the
shares times the answers in the cells is how far this feature alone would move the answers. It ignores what other
features do at the same time, so it is a hint, and is called one.
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

# A cell with few rows of the sample answers like all of them: this many rows count as much as its own.
PRIOR_ROWS = 10.0


@dataclass(frozen=True, slots=True)
class Impact:
    """How far one feature alone moves the answers: the share of answers that change (labels), or standard deviations
    of the prediction (numbers); and that in words.
    """

    size: float
    words: str


def impacts(sample: pa.RecordBatch, reference: Profile, now: Profile) -> Mapping[str, Impact]:
    """By feature's column; none where the sample knows no answers, and none for what is not counted as it came."""
    layout = reference.layout
    answer = layout.by_name.get(PREDICTION)
    if answer is None or PREDICTION not in sample.schema.names:
        return {}
    answers = _answers(sample, answer)
    found = {}
    for column in layout.columns:
        if column.name.startswith("features.") and column.name in sample.schema.names and column.buckets:
            shift = _shift(sample.column(column.name), column, answers, reference.overall, now.overall)
            found[column.name] = _told(answer, shift)
    return found


def _answers(sample: pa.RecordBatch, answer: Column) -> Floats:
    """What the model answered: one column of ones and zeros a label, or one of standardised numbers."""
    column = sample.column(PREDICTION)
    if answer.labelled:
        said = np.array(names(column).to_pylist(), dtype=object)
        return np.stack([said == label for label in answer.labels[:MOST_LABELS]], axis=1).astype(float)
    values = numbers(column).values
    known = np.isfinite(values)
    spread = float(values[known].std()) if known.any() else 0.0
    scaled = (values - (values[known].mean() if known.any() else 0.0)) / (spread or 1.0)
    return np.where(known, scaled, 0.0)[:, None]


def _shift(values: pa.Array, column: Column, answers: Floats, reference: Slice, now: Slice) -> Floats:
    """How far each answer moves if only the shares of the feature's cells do."""
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
    """Where each value of the sample stands inside its column of the layout."""
    if column.labelled:
        rare = column.size + RARE
        held = names(values).to_pylist()
        return np.array(
            [MISSING if one is None else column.places.get(one, rare) for one in held], dtype=np.int64
        )
    read = numbers(values)
    place = MINUS_INFINITY + np.searchsorted(column.cuts, read.values, side="right")
    return np.where(read.missing | np.isnan(read.values), MISSING, np.minimum(place, column.size - 1))


def _told(answer: Column, shift: Floats) -> Impact:
    if not answer.labelled:
        size = float(shift[0])
        return Impact(abs(size), f"moves the prediction by {format_signed(size, 2)} sd")
    most = int(np.abs(shift).argmax())
    label, points = answer.labels[most], 100 * float(shift[most])
    return Impact(float(np.abs(shift).sum() / 2), f"moves {label!r} by {points:+.1f} points")
