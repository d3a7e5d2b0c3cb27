"""The expected errors of rows: their values as the trees read them, and the sums that a profile keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.windows.error_trees.trees import MEMBERS
from monitor.windows.kernel.count_column import Weights, places_of_rows, values_of
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.layout.layout import MISSING, Column, Layout
from monitor.windows.profile import Slice

EXPECTED = "expected_error."
"""Prefix of the columns that hold the expected error of each row, by member of the ensemble."""
_NAMES = [f"{EXPECTED}{member}" for member in range(MEMBERS)]
_ROWS, _ROW_SQUARES, _SQUARES = (f"expected error {what}" for what in ("rows", "row squares", "squares"))


def matrix(rows: pa.RecordBatch, columns: Sequence[Column]) -> np.ndarray:
    """The values of columns, NaN where one is missing; of labels, their places. Shape (rows, columns)."""
    values = np.full((rows.num_rows, len(columns)), np.nan)
    for index, column in enumerate(columns):
        name = column.source or column.name
        if name not in rows.schema.names:
            continue
        if column.labelled:
            places = places_of_rows(column, rows.column(name))
            values[:, index] = np.where(places == MISSING, np.nan, places)
        else:
            values[:, index] = values_of(column, rows.column(name))[0]
    return values


def with_expected(rows: pa.RecordBatch, layout: Layout) -> pa.RecordBatch:
    """The rows with their expected errors, if the layout has trees; none where there is no answer."""
    model = layout.errors
    if model is None or not rows.num_rows or "prediction" not in rows.schema.names:
        return rows
    values = model.evaluate(matrix(rows, [layout.by_name[name] for name in model.columns]))
    absent = ~arrays.valid(rows.column("prediction"))
    for name, column in zip(_NAMES, values.T, strict=True):
        rows = rows.append_column(name, pa.array(column, mask=absent))
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedErrors:
    """What a slice's rows are expected to err by: the mean error by member, shape (members,), the mean square of the
    expected errors, and the number of rows, as if none were weighted.
    """

    means: np.ndarray
    squares: float
    rows: float


def of_slice(part: Slice) -> ExpectedErrors | None:
    """The expected errors of a slice; None if none were counted."""
    weight, squares = part.total(_ROWS), part.total(_ROW_SQUARES)
    if not weight:
        return None
    means = np.array([part.total(name) for name in _NAMES]) / weight
    return ExpectedErrors(means, part.total(_SQUARES) / weight, weight**2 / squares)


def count(rows: pa.RecordBatch, weights: Weights) -> dict[str, int]:
    """The named exact sums of rows whose features are stored; empty without expected errors."""
    if _NAMES[0] not in rows.schema.names or not rows.num_rows:
        return {}
    known = arrays.valid(rows.column(_NAMES[0]))
    weight = (np.full(rows.num_rows, weights.same) if weights.each is None else weights.each)[known]
    values = np.stack([arrays.floats(rows.column(name))[known] for name in _NAMES])
    totals = {name: exact_sum(one * weight) for name, one in zip(_NAMES, values, strict=True)}
    mean = values.sum(axis=0) / MEMBERS
    totals |= {_SQUARES: exact_sum(mean * mean * weight)}
    return totals | {_ROWS: exact_sum(weight), _ROW_SQUARES: exact_sum(weight * weight)}
