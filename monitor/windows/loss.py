"""An additive model of how large a regressor's errors are, learned from a baseline with truths.

Each row of the baseline is described by the cells that its values fall into; a ridge regression gives each cell a
coefficient. The mean of such a model over any window needs only the window's cell counts, so expected errors come
from profiles, without rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions.columns import numbers
from monitor.windows.kernel import places_of_rows
from monitor.windows.layout import Column, Layout

MOST_ROWS = 20_000
_FEWEST_ROWS = 200
_RIDGE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Coefficients of the cells in the order of the layout's watched columns; `variance` is of a single error."""

    intercept: float
    coefficients: np.ndarray
    variance: float


def learn(rows: pa.RecordBatch, layout: Layout) -> LossModel | None:
    """Fit on rows with `prediction` and `outcome.truth`; None where there are too few of them, or no numbers."""
    names = set(rows.schema.names)
    answer = layout.by_name.get("prediction")
    if not {"prediction", "outcome.truth"} <= names or answer is None or answer.labelled:
        return None
    errors = np.abs(numbers(rows.column("prediction")).values - numbers(rows.column("outcome.truth")).values)
    usable = np.flatnonzero(np.isfinite(errors))
    if usable.size < _FEWEST_ROWS:
        return None
    chosen = usable[np.linspace(0, usable.size - 1, min(usable.size, MOST_ROWS)).astype(int)]
    errors = errors[chosen]
    columns = layout.watched
    design = one_hot(cells_of_rows(rows.take(pa.array(chosen)), columns), columns)
    centre = design.mean(axis=0)
    shifted = design - centre
    gram = shifted.T @ shifted + _RIDGE * np.eye(design.shape[1])
    coefficients = np.linalg.solve(gram, shifted.T @ (errors - errors.mean()))
    intercept = float(errors.mean() - centre @ coefficients)
    return LossModel(intercept, coefficients, float(errors.var()))


def encode(model: LossModel) -> bytes:
    """Compact bytes."""
    return msgspec.msgpack.encode((model.intercept, model.variance, model.coefficients.tobytes()))


def decode(blob: bytes) -> LossModel:
    """What `encode` was given."""
    intercept, variance, coefficients = msgspec.msgpack.decode(blob, type=tuple[float, float, bytes])
    return LossModel(intercept, np.frombuffer(coefficients, np.float64), variance)


def cells_of_rows(rows: pa.RecordBatch, columns: Sequence[Column]) -> np.ndarray:
    """Which cell of each column each row falls into, shape (rows, columns); a column that is absent is missing."""
    found = np.zeros((rows.num_rows, len(columns)), np.int64)
    for index, column in enumerate(columns):
        name = column.source or column.name
        if name in rows.schema.names:
            places = places_of_rows(column, rows.column(name))
            found[:, index] = np.searchsorted(column.cells, places, side="right") - 1
    return found


def one_hot(cells: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """Cells as zeros and ones, one column a cell in the order of the columns, shape (rows, all cells)."""
    first = np.cumsum([0, *(len(column.cells) for column in columns)])
    design = np.zeros((len(cells), int(first[-1])))
    np.put_along_axis(design, cells + first[:-1], 1.0, axis=1)
    return design
