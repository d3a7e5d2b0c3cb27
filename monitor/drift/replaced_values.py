"""Columns whose values are replaced by others all the time, from the windows of a reference.

The baseline's own rows show it where they cover weeks (`Column.turnover` of a layout). With a baseline of a day, the
windows after it do: the share of values that the baseline does not have grows.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monitor.drift.columns import OUTSIDE, ColumnType, Floats, WatchedColumn, WindowCounts, starts, total

REPLACED = 0.01
"""The smallest share of rows with values that replaced others, in a quarter of the time that was looked at."""
_FEWEST_LABELS = 100
"""With fewer labels, new ones are drift."""


def marked(columns: Sequence[WatchedColumn], reference: Sequence[WindowCounts]) -> tuple[WatchedColumn, ...]:
    """The columns, marked as `replaced` where the last quarter of the windows has more new values than the first."""
    quarter = len(reference) // 4
    if not quarter:
        return tuple(columns)
    first, last = (_new_shares(columns, part) for part in (reference[:quarter], reference[-quarter:]))
    return tuple(
        replace(column, replaced=True)
        if column.kind is ColumnType.LABEL and column.buckets >= _FEWEST_LABELS and grown > REPLACED
        else column
        for column, grown in zip(columns, last - first, strict=True)
    )


def _new_shares(columns: Sequence[WatchedColumn], windows: Sequence[WindowCounts]) -> Floats:
    begin = starts(columns)[:-1]
    counts = total(windows)
    rows = np.add.reduceat(counts, begin) if len(begin) else np.zeros(0)
    return np.asarray(counts[begin + OUTSIDE] / np.maximum(rows, 1.0))
