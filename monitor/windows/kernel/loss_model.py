"""An additive model of a regressor's absolute error, learned from a baseline with truths.

Each row of the baseline is described by the cells that its values fall into. A ridge regression gives each cell a
coefficient. The mean of the model over a window needs only the window's cell counts, so expected errors are computed
from profiles, without rows. Five more models, each without a fifth of the rows, say how sure the coefficients are.
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
MEMBERS = 5
_FEW = 2.0
"""What the variance from five models is multiplied by, so that normal intervals are those of Student's t
with four degrees of freedom: (2.776 / 1.960)²."""


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Coefficients of the cells, in the order of the layout's watched columns. `variance` is that of a single error
    about its expectation. `members` are the intercepts and coefficients of models that are each learned without a fifth
    of the rows, shape (5, cells + 1); a baseline of an earlier version has none, shape (0, cells + 1).
    """

    intercept: float
    coefficients: np.ndarray
    variance: float
    members: np.ndarray

    def expected(self, shares: np.ndarray) -> tuple[float, float]:
        """The mean error of rows whose cells have these shares, shape (cells,), never negative, and the variance of
        that mean due to the fit (a grouped jackknife).
        """
        value = max(float(self.intercept + (shares * self.coefficients).sum()), 0.0)
        means = self.members[:, 0] + self.members[:, 1:] @ shares
        count = max(len(means), 1)
        return value, float(_FEW * (count - 1) / count * ((means - means.mean()) ** 2).sum()) if len(
            means
        ) else 0.0


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
    parts = [_Sums.of(design[fold::MEMBERS], errors[fold::MEMBERS]) for fold in range(MEMBERS)]
    whole = _Sums.added(parts)
    intercept, coefficients = whole.fitted()
    members = [_Sums.added([*parts[:fold], *parts[fold + 1 :]]).fitted() for fold in range(MEMBERS)]
    missed = errors - intercept - design @ coefficients
    kept = np.array([[first, *rest] for first, rest in members])
    return LossModel(intercept, coefficients, float((missed**2).mean()), kept)


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """What a ridge regression needs of some rows: their number, and sums of the design and the errors."""

    rows: int
    cells: np.ndarray
    products: np.ndarray
    error: float
    with_errors: np.ndarray

    @classmethod
    def of(cls, design: np.ndarray, errors: np.ndarray) -> "_Sums":
        return cls(len(errors), design.sum(axis=0), design.T @ design, float(errors.sum()), design.T @ errors)

    @classmethod
    def added(cls, parts: Sequence["_Sums"]) -> "_Sums":
        return cls(
            sum(part.rows for part in parts),
            np.sum([part.cells for part in parts], axis=0),
            np.sum([part.products for part in parts], axis=0),
            sum(part.error for part in parts),
            np.sum([part.with_errors for part in parts], axis=0),
        )

    def fitted(self) -> tuple[float, np.ndarray]:
        """The intercept and the coefficients. The regression of what the first one leaves is added ("twicing"), because
        it alone takes a rare cell for nearly usual.
        """
        centre, mean = self.cells / self.rows, self.error / self.rows
        gram = self.products - self.rows * np.outer(centre, centre)
        shifted, prior = self.with_errors - self.cells * mean, _RIDGE * np.eye(len(centre))
        first = np.linalg.solve(gram + prior, shifted)
        coefficients = first + np.linalg.solve(gram + prior, shifted - gram @ first)
        return float(mean - centre @ coefficients), coefficients


class _Stored(msgspec.Struct, array_like=True):
    intercept: float
    variance: float
    coefficients: bytes
    members: bytes = b""


def encode(model: LossModel) -> bytes:
    """Encode a model."""
    coefficients, members = model.coefficients.tobytes(), model.members.tobytes()
    return seal(msgspec.msgpack.encode(_Stored(model.intercept, model.variance, coefficients, members)))


def decode(blob: bytes) -> LossModel:
    """Decode the bytes of `encode`.

    Raises:
        DamageError: the bytes were changed.
    """
    with reading("the loss model of a baseline"):
        stored = msgspec.msgpack.decode(unseal(blob), type=_Stored)
        coefficients = np.frombuffer(stored.coefficients, np.float64)
        members = np.frombuffer(stored.members, np.float64).reshape(-1, coefficients.size + 1)
        return LossModel(stored.intercept, coefficients, stored.variance, members)


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
