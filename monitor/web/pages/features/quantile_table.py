"""The quantiles and moments of a column in the baseline and in a window, from counts. Pure."""

import math
from dataclasses import dataclass

import numpy as np

from monitor.windows.layout.layout import ABOVE, BELOW
from monitor.windows.profile import ColumnCounts

SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Compared:
    """One quantity in the baseline and in the window; None where there is no value.

    A quantile above the baseline's range, whose ends are `edges`, is `beyond`; one below it is minus that.
    """

    name: str
    before: float | None
    now: float | None
    is_share: bool = False
    edges: tuple[float, float] = (0.0, 0.0)
    beyond: float = math.inf


def table(before: ColumnCounts, now: ColumnCounts) -> list[Compared]:
    """Rows, missing values and, for a column of numbers, moments, extremes and quantiles."""
    rows = [
        Compared("rows", before.rows, now.rows),
        Compared(
            "missing", _share(before.missing, before.rows), _share(now.missing, now.rows), is_share=True
        ),
    ]
    if before.column.labelled:
        new = Compared("not in the baseline", 0.0, _share(now.new, now.rows), is_share=True)
        return [*rows, new]
    ends = before.column.edges
    edges = (float(ends[0]), float(ends[-1])) if len(ends) else (0.0, 0.0)
    rows += [
        Compared("mean", before.mean, now.mean),
        Compared("standard deviation", before.deviation, now.deviation),
        Compared("smallest", _extreme(before, 0), _extreme(now, 0)),
    ]
    rows += [
        Compared(f"{share * 100:g} %", quantile(before, share), quantile(now, share), edges=edges)
        for share in SHARES
    ]
    return [*rows, Compared("largest", _extreme(before, 1), _extreme(now, 1))]


def quantile(column: ColumnCounts, share: float) -> float | None:
    """The value below which this share of the finite values lies, exact to its bucket; None without values.

    Inside a bucket, values are taken as spread evenly. Beyond the edges, only their number is known: the value
    is minus infinity or infinity.
    """
    regular = column.regular
    outside_low, outside_high = float(column.counts[BELOW]), float(column.counts[ABOVE])
    total = outside_low + float(regular.sum()) + outside_high
    low, high = float(column.extremes[0]), float(column.extremes[1])
    if column.column.buckets < 1 or total <= 0 or not (math.isfinite(low) and math.isfinite(high)):
        return None
    rank = share * total
    if rank < outside_low:
        return -math.inf
    running = outside_low + np.cumsum(regular)
    bucket = int(np.searchsorted(running, rank, side="left"))
    if bucket >= len(regular):
        return math.inf
    edges = column.column.edges
    left, right = float(edges[bucket]), float(edges[bucket + 1])
    if column.column.atoms:
        return min(max(left, low), high)
    inside = float(regular[bucket])
    part = (rank - (float(running[bucket]) - inside)) / inside if inside > 0 else 0.0
    return min(max(left + (right - left) * part, low), high)


def _share(count: float, rows: float) -> float | None:
    return count / rows if rows else None


def _extreme(column: ColumnCounts, which: int) -> float | None:
    value = float(column.extremes[which])
    return value if math.isfinite(value) else None
