"""A batch of rows is counted in slices: each version, each value of a segment, and all together."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from monitor.predictions import arrays
from monitor.predictions.columns import names
from monitor.windows.profile import OVERALL, VERSION, Slice, SliceKey, merge_slices

MOST_SLICES = 50


def in_slices(
    rows: pa.RecordBatch, most: int, count_one: Callable[[pa.RecordBatch, bool], Slice]
) -> dict[SliceKey, Slice]:
    """The slices of some rows in order; at most `most` versions, and as many values of each segment, stand apart.

    `count_one` counts rows into one slice, of a segment (where its second argument is true) the core columns only.
    """
    slices: dict[SliceKey, Slice] = {}
    counted: list[Slice] = []
    for value, part in _partition(rows, VERSION, most):
        counted.append(count_one(part, False))
        if value is not None:
            slices[(VERSION, value)] = counted[-1]
    slices[OVERALL] = merge_slices(counted)
    for name in rows.schema.names:
        if name.startswith("segments."):
            for value, part in _partition(rows, name, most):
                if value is not None:
                    slices[(name, value)] = count_one(part, True)
    return dict(sorted(slices.items()))


def _partition(rows: pa.RecordBatch, name: str, most: int) -> Iterator[tuple[str | None, pa.RecordBatch]]:
    """The rows of each value of a column, and under None those without value or beyond the `most` frequent."""
    column = rows.column(name) if name in rows.schema.names else None
    if column is None or column.null_count == len(column):
        yield None, rows
        return
    encoded = names(column)
    labels = [*encoded.dictionary.to_pylist(), None]
    codes = arrays.codes(encoded, len(labels) - 1)
    totals = np.bincount(codes, minlength=len(labels))
    present = [i for i in range(len(labels)) if totals[i] and labels[i] is not None]
    if len(present) == 1 and totals[-1] == 0:
        yield labels[present[0]], rows
        return
    apart = sorted(present, key=lambda i: (-totals[i], labels[i]))[:most]
    for place in apart:
        yield labels[place], rows.filter(pa.array(codes == place))
    rest = ~np.isin(codes, apart)
    if rest.any():
        yield None, rows.filter(pa.array(rest))
