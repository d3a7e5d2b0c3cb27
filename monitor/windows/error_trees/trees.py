"""Small regression trees that say how large the error of an answer will be, evaluated with numpy alone.

Each tree has at most 64 leaves. A row's leaf is found without walking the tree: each condition that the row breaks
excludes the leaves on its left side, and the first leaf that is left is the row's (QuickScorer, Lucchese et al. 2015).
The masks of all conditions on one column that break together are joined in advance, so that a column costs one search
and one "and" for all trees.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import numpy as np

LEAVES = 64
MEMBERS = 5
"""Models of an ensemble. Each is learned without a fifth of the rows, so that their differences say how sure it is."""
_ROWS_AT_ONCE = 512
_EVERY_LEAF = np.uint64(2**LEAVES - 1)
_FINE = 2.0**-24
"""Of the largest leaf: the unit of all leaves. Sums of its multiples are exact, in any order."""


class Conditions(msgspec.Struct, frozen=True):
    """The inner nodes of all trees, each array of shape (nodes,). Rows of `tree` whose value in column number `column`
    exceeds `threshold` go right, which excludes the leaves in `left` (bits). `missing_left` is whether rows without a
    value go left.
    """

    tree: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    missing_left: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class ErrorTrees:
    """An ensemble of five models of an answer's error.

    `columns` are the names of the layout's columns that it reads. `leaves` has the values of all trees, shape (trees,
    64), the trees of a member beside each other; `start` is what each member adds to the sum of its trees. `spread` is
    the mean squared error of a single estimate relative to the mean square of the estimates, from rows that the member
    had not seen. `wander` is the variance of the mean error of a period beyond chance and beyond what the trees say,
    relative to the square of the mean error. `rows` is the number of rows that it was learned from.
    """

    columns: tuple[str, ...]
    conditions: Conditions
    leaves: np.ndarray
    start: np.ndarray
    spread: float
    wander: float
    rows: int

    def evaluate(self, matrix: np.ndarray) -> np.ndarray:
        """The expected error of each row by each member, never negative, shape (rows, members).

        `matrix` has the values of `columns`, NaN where one is missing, shape (rows, columns).
        """
        estimates = np.empty((len(matrix), MEMBERS))
        for first in range(0, len(matrix), _ROWS_AT_ONCE):
            estimates[first : first + _ROWS_AT_ONCE] = self._evaluate(matrix[first : first + _ROWS_AT_ONCE])
        return np.maximum(estimates, 0.0)

    def _evaluate(self, matrix: np.ndarray) -> np.ndarray:
        trees = len(self.leaves)
        left = np.full((len(matrix), trees), _EVERY_LEAF, np.uint64)
        for values, (thresholds, masks) in zip(matrix.T, _tables(self), strict=True):
            rank = np.searchsorted(
                thresholds, values
            )  # how many thresholds the value exceeds; NaN exceeds all
            rank[np.isnan(values)] = len(thresholds) + 1
            left &= masks[rank]
        lowest = left & (~left + np.uint64(1))  # the first leaf that is left, as a bit
        leaf = np.frexp(lowest.astype(np.float64))[1] - 1
        values = self.leaves.ravel()[leaf + np.arange(trees) * LEAVES]
        return np.asarray(values.reshape(len(matrix), MEMBERS, -1).sum(axis=2) + self.start)


@lru_cache(maxsize=32)
def _tables(model: ErrorTrees) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each column, the sorted thresholds, and the masks by the number of thresholds that a value exceeds, shape
    (thresholds + 2, trees); the last are those of missing values.
    """
    return list(_tables_of(model))


def _tables_of(model: ErrorTrees) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    nodes = model.conditions
    for number in range(len(model.columns)):
        mine = nodes.column == number
        thresholds = np.unique(nodes.threshold[mine])
        tree, kept = nodes.tree[mine], ~nodes.left[mine]
        masks = np.full((len(thresholds) + 2, len(model.leaves)), _EVERY_LEAF, np.uint64)
        places = np.searchsorted(thresholds, nodes.threshold[mine]) + 1
        np.bitwise_and.at(masks, (places, tree), kept)
        masks[:-1] = np.bitwise_and.accumulate(masks[:-1], axis=0)
        right = ~nodes.missing_left[mine]
        masks[-1] = _EVERY_LEAF
        np.bitwise_and.at(masks, (-1, tree[right]), kept[right])
        yield thresholds, masks


class _Stored(msgspec.Struct, array_like=True):
    columns: list[str]
    tree: bytes
    column: bytes
    threshold: bytes
    left: bytes
    missing_left: bytes
    leaves: bytes
    start: bytes
    spread: float
    wander: float
    rows: int


def encode(model: ErrorTrees) -> bytes:
    """Encode an ensemble."""
    nodes = model.conditions
    return msgspec.msgpack.encode(
        _Stored(
            list(model.columns),
            nodes.tree.astype(np.uint16).tobytes(),
            nodes.column.astype(np.uint16).tobytes(),
            nodes.threshold.astype(np.float64).tobytes(),
            nodes.left.astype(np.uint64).tobytes(),
            nodes.missing_left.astype(np.bool_).tobytes(),
            model.leaves.tobytes(),
            model.start.tobytes(),
            model.spread,
            model.wander,
            model.rows,
        )
    )


def decode(blob: bytes) -> ErrorTrees:
    """Decode the bytes of `encode`.

    Raises:
        ValueError: they are not of an ensemble.
    """
    stored = msgspec.msgpack.decode(blob, type=_Stored)
    leaves = np.frombuffer(stored.leaves, np.float64).reshape(-1, LEAVES)
    start = np.frombuffer(stored.start, np.float64)
    nodes = Conditions(
        np.frombuffer(stored.tree, np.uint16),
        np.frombuffer(stored.column, np.uint16),
        np.frombuffer(stored.threshold, np.float64),
        np.frombuffer(stored.left, np.uint64),
        np.frombuffer(stored.missing_left, np.bool_),
    )
    if start.size != MEMBERS or len(leaves) == 0 or len(leaves) % MEMBERS:
        raise ValueError("the trees are incomplete")
    if (
        len({one.size for one in (nodes.tree, nodes.column, nodes.threshold, nodes.left, nodes.missing_left)})
        > 1
    ):
        raise ValueError("the conditions are incomplete")
    if (nodes.tree >= len(leaves)).any() or (nodes.column >= len(stored.columns)).any():
        raise ValueError("a condition belongs to no tree")
    if not (np.isfinite(leaves).all() and np.isfinite(start).all()):
        raise ValueError("an expected error is not finite")
    return ErrorTrees(tuple(stored.columns), nodes, leaves, start, stored.spread, stored.wander, stored.rows)


def rounded(leaves: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values as multiples of one unit, so that their sums do not depend on the order of addition."""
    largest = float(max(np.abs(leaves).max(initial=0.0), np.abs(start).max(initial=0.0)))
    unit = 2.0 ** np.floor(np.log2(largest)) * _FINE if largest > 0 else 1.0
    return np.rint(leaves / unit) * unit, np.rint(start / unit) * unit
