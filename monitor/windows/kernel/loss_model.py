"""An additive model of a regressor's absolute error, learned from a baseline with truths.

Each row of the baseline is described by the cells that its values fall into. A ridge regression gives each cell a
coefficient. The mean of the model over a window needs only the window's cell counts, so expected errors are computed
from profiles, without rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from monitor.predictions.log.columns import numbers
from monitor.store.checksums import reading, seal, unseal
from monitor.windows.kernel.count_column import places_of_rows
from monitor.windows.layout.layout import Column, Layout

MOST_ROWS = 20_000
_FEWEST_ROWS = 200
_RIDGE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Coefficients of the cells, in the order of the layout's watched columns. `variance` is that of a single error."""

    intercept: float
    coefficients: np.ndarray
    variance: float


def learn(rows: pa.RecordBatch, layout: Layout) -> LossModel | None:
    """Fit the model to rows with `prediction` and `outcome.truth`; None if there are too few, or the answers are not
    numbers.
    """
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
    """Encode a model."""
    return seal(msgspec.msgpack.encode((model.intercept, model.variance, model.coefficients.tobytes())))


def decode(blob: bytes) -> LossModel:
    """Decode the bytes of `encode`.

    Raises:
        DamageError: the bytes were changed.
    """
    with reading("the loss model of a baseline"):
        intercept, variance, coefficients = msgspec.msgpack.decode(
            unseal(blob), type=tuple[float, float, bytes]
        )
        return LossModel(intercept, np.frombuffer(coefficients, np.float64), variance)


def cells_of_rows(rows: pa.RecordBatch, columns: Sequence[Column]) -> np.ndarray:
    """The cell of each column that each row falls into, shape (rows, columns). An absent column counts as missing."""
    cells = np.zeros((rows.num_rows, len(columns)), np.int64)
    for index, column in enumerate(columns):
        name = column.source or column.name
        if name in rows.schema.names:
            places = places_of_rows(column, rows.column(name))
            cells[:, index] = np.searchsorted(column.cells, places, side="right") - 1
    return cells


def one_hot(cells: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """One-hot encoding of cells, in the order of the columns, shape (rows, all cells)."""
    first = np.cumsum([0, *(len(column.cells) for column in columns)])
    design = np.zeros((len(cells), int(first[-1])))
    np.put_along_axis(design, cells + first[:-1], 1.0, axis=1)
    return design
