"""Counts features by segment in coarse cells: missing, the deciles or most frequent labels of the baseline.

All buckets of all features by segment would multiply a profile by the number of segments. A few important features in
about a dozen cells each are enough to say in which segment a feature moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.windows.kernel.count_column import Weights, places_of_rows
from monitor.windows.layout.layout import MISSING, Column, ColumnKind, Floats, Layout
from monitor.windows.layout.slice_limits import SliceKey
from monitor.windows.profile import Slice

ABLE = frozenset(ColumnKind) - {ColumnKind.IDENTIFIER, ColumnKind.EMPTY}


@dataclass(frozen=True, slots=True)
class SegmentFeatures:
    """Which features are counted by segment, the most important first: at most `most` features, and at most `cells`
    counts in a batch, those of the segments with the most rows.
    """

    most: int = 0
    cells: int = 0
    first: tuple[str, ...] = ()

    def columns(self, layout: Layout) -> list[Column]:
        """The columns of a layout that are counted: the named ones, then others in the layout's order."""
        able = [feature for feature in layout.features if feature.kind in ABLE and not feature.open_ended]
        rank = {name: place for place, name in reversed(list(enumerate(self.first)))}
        ordered = sorted(able, key=lambda one: rank.get(one.feature or one.name, len(rank)))
        return ordered[: self.most]


NONE = SegmentFeatures()
OF_BASELINE = SegmentFeatures(most=100, cells=20_000)
"""What a baseline counts by segment: a baseline is counted once, before anything is learned."""


def count(
    rows: pa.RecordBatch,
    weights: Weights,
    columns: Sequence[Column],
    segments: Mapping[SliceKey, Slice],
    most_cells: int,
) -> dict[SliceKey, dict[str, Floats]]:
    """The counts by segment and column, each of shape (cells of the column,). `segments` are those with a slice."""
    width = sum(len(column.cells) for column in columns)
    if not width or not segments or not rows.num_rows:
        return {}
    most = sorted(segments, key=lambda key: (-segments[key].rows, key))[: most_cells // width]
    cell_of_row = {column.name: cells_of_rows(column, rows) for column in columns}
    each = np.full(rows.num_rows, weights.same) if weights.each is None else weights.each
    by_slice: dict[SliceKey, dict[str, Floats]] = {key: {} for key in most}
    for name in dict.fromkeys(name for name, _ in most):
        values = [value for key, value in most if key == name]
        place = _place_of_rows(rows, name, values)
        is_named = place >= 0
        for column in columns:
            size = len(column.cells)
            joint = place[is_named] * size + cell_of_row[column.name][is_named]
            counts = np.bincount(joint, each[is_named], len(values) * size).reshape(len(values), size)
            for number, value in enumerate(values):
                by_slice[(name, value)][column.name] = counts[number].astype(np.float64)
    return by_slice


def cells_of_rows(column: Column, rows: pa.RecordBatch) -> np.ndarray:
    """The coarse cell of each row, shape (n,)."""
    source = column.source or column.name
    if source not in rows.schema.names:
        return np.full(rows.num_rows, MISSING)
    places = places_of_rows(column, rows.column(rows.schema.names.index(source)))
    return np.asarray(np.searchsorted(np.array(column.cells), places, side="right") - 1)


def _place_of_rows(rows: pa.RecordBatch, name: str, values: Sequence[str]) -> np.ndarray:
    """The place of each row's segment among `values`, shape (n,); -1 if it is none of them."""
    encoded = names(rows.column(rows.schema.names.index(name)))
    known = {value: place for place, value in enumerate(values)}
    labels = [known.get(label, -1) for label in encoded.dictionary.to_pylist()]
    return np.asarray(np.array([*labels, -1])[arrays.codes(encoded, len(labels))])
