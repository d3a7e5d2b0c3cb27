"""A feature in each segment that counts it: how far it is from the baseline, and from the time before."""

from dataclasses import dataclass

import numpy as np

from monitor.drift.explain.segments import SURE_MOVE
from monitor.windows.layout.layout import Column, Floats
from monitor.windows.profile import Profile, Slice

LEAST_ROWS = 50.0
"""Rows of both times from which on a distance between them is shown."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A feature in one segment: rows, share of missing values, and total variation (0 to 1) from the baseline and from
    the time before (None: too few rows). `is_own`: the baseline is that of the segment.
    """

    name: str
    rows: float
    missing: float
    distance: float
    is_own: bool
    moved: float | None
    is_beyond_chance: bool


def rows(column: Column, baseline: Profile, before: Profile | None, now: Profile) -> list[SegmentRow]:
    """The segments with the feature's counts: those that moved most since the time before come first."""
    moved = [
        _row(
            "=".join(key),
            column,
            baseline.segments.get(key),
            baseline.overall,
            _of(before, key, column),
            counts,
        )
        for key, part in now.segments.items()
        if (counts := part.cells.get(column.name)) is not None and counts.sum() > 0
    ]
    return sorted(moved, key=lambda one: (not one.is_beyond_chance, -(one.moved or 0.0), -one.rows, one.name))


def _row(
    name: str, column: Column, own: Slice | None, overall: Slice, before: Floats | None, now: Floats
) -> SegmentRow:
    n = float(now.sum())
    base = own.cells.get(column.name) if own is not None else None
    is_own = base is not None and base.sum() >= LEAST_ROWS
    reference = base if is_own and base is not None else _whole(overall, column)
    moved, is_sure = None, False
    if before is not None and min(before.sum(), n) >= LEAST_ROWS:
        moved = _distance(before, now)
        chance = np.sqrt(len(column.cells) / (2 * np.pi) * (1 / before.sum() + 1 / n))
        is_sure = moved > SURE_MOVE * chance
    return SegmentRow(name, n, float(now[0]) / n, _distance(reference, now), is_own, moved, is_sure)


def _of(profile: Profile | None, key: tuple[str, str], column: Column) -> Floats | None:
    part = profile.segments.get(key) if profile is not None else None
    return None if part is None else part.cells.get(column.name)


def _whole(part: Slice, column: Column) -> Floats:
    return np.add.reduceat(part.column(column.name).counts, np.array(column.cells, dtype=np.int64))


def _distance(one: Floats, other: Floats) -> float:
    return float(np.abs(one / max(one.sum(), 1e-9) - other / max(other.sum(), 1e-9)).sum() / 2)
