"""The process that learns the trees, `python -m monitor.windows.error_trees.fit`: the only place with scikit-learn.

It reads rows from standard input (numpy's format: `columns`, shape (rows, columns), and `errors`, shape (rows,)) and
writes the ensemble to standard output.
"""

import io
import resource
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from monitor.childprocess.child import limit_process
from monitor.windows.error_trees.trees import LEAVES, MEMBERS, Conditions, ErrorTrees, encode, rounded

_TREES = 20
_BLOCKS = 20
_SETTINGS: dict[str, Any] = {
    "max_iter": _TREES,
    "max_leaf_nodes": LEAVES,
    "learning_rate": 0.3,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}
_MEMORY = 4 * 1024**3


def main() -> None:
    """Learn from the rows on standard input."""
    _, allowed = resource.getrlimit(resource.RLIMIT_DATA)
    limit_process(int(sys.argv[1]), _MEMORY if allowed == resource.RLIM_INFINITY else min(allowed, _MEMORY))
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        names = tuple(str(name) for name in given["names"])
        model = learn(names, given["columns"], given["errors"], in_order=bool(given["in_order"]))
    sys.stdout.buffer.write(encode(model))


def learn(names: tuple[str, ...], columns: np.ndarray, errors: np.ndarray, *, in_order: bool) -> ErrorTrees:
    """Five models, each learned without another fifth of the rows, which are `in_order` of time or not.

    Raises:
        RuntimeError: the trees do not give what scikit-learn gives: its inner structure is unknown.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # the daemon never loads it

    scale = float(errors.mean()) or 1.0
    fold = np.arange(len(errors)) % MEMBERS
    np.random.default_rng(0).shuffle(fold)
    unseen = np.empty(len(errors))
    trees: list[Any] = []
    start: list[float] = []
    for member in range(MEMBERS):
        seen = fold != member
        fitted = HistGradientBoostingRegressor(**_SETTINGS).fit(columns[seen], errors[seen] / scale)
        trees += [predictor[0].nodes for predictor in fitted._predictors]
        start.append(float(np.ravel(fitted._baseline_prediction)[0]))
        unseen[~seen] = fitted.predict(columns[~seen])
    model = _assembled(names, trees, start, scale, len(errors))
    by_member = model.evaluate(columns[:, [names.index(name) for name in model.columns]])
    unseen = np.maximum(unseen, 0.0) * scale
    if not np.allclose(by_member[np.arange(len(fold)), fold], unseen, rtol=1e-5, atol=1e-5 * scale):
        raise RuntimeError("the trees of this version of scikit-learn cannot be read")
    missed = (errors - unseen) / scale
    spread = float((missed**2).sum() / max(((unseen / scale) ** 2).sum(), 1e-300))
    return replace(model, spread=spread, wander=_wander(missed) if in_order else 0.0)


def _wander(missed: np.ndarray) -> float:
    """The variance of the mean of a block of rows beyond chance: what changes with time, and no column tells."""
    blocks = np.array_split(missed, _BLOCKS)
    means = np.array([block.mean() for block in blocks])
    chance = float((missed**2).mean()) / (len(missed) / _BLOCKS)
    return max(float(means.var(ddof=1)) - chance, 0.0)


class _Node(NamedTuple):
    tree: int
    column: int
    threshold: float
    left: int
    missing_left: bool


def _assembled(
    names: tuple[str, ...], trees: list[Any], start: list[float], scale: float, rows: int
) -> ErrorTrees:
    leaves = np.zeros((len(trees), LEAVES))
    inner: list[_Node] = []
    for number, nodes in enumerate(trees):
        values: list[float] = []
        inner += _inner(nodes, 0, number, values)
        leaves[number, : len(values)] = values
    used, column = np.unique(np.array([one.column for one in inner], np.int64), return_inverse=True)
    conditions = Conditions(
        np.array([one.tree for one in inner], np.uint16),
        column.astype(np.uint16),
        np.array([one.threshold for one in inner], np.float64),
        np.array([one.left for one in inner], np.uint64),
        np.array([one.missing_left for one in inner], np.bool_),
    )
    exact, first = rounded(leaves * scale, np.array(start) * scale)
    return ErrorTrees(
        tuple(names[place] for place in used.tolist()), conditions, exact, first, 0.0, 0.0, rows
    )


def _inner(nodes: Any, at: int, tree: int, values: list[float]) -> Iterator[_Node]:
    """The inner nodes from a node on. The values of the leaves are added from left to right."""
    node = nodes[at]
    if node["is_leaf"]:
        values.append(float(node["value"]))
        return
    first = len(values)
    below = list(_inner(nodes, int(node["left"]), tree, values))
    left = (1 << len(values)) - (1 << first)
    missing_left = bool(node["missing_go_to_left"])
    yield _Node(tree, int(node["feature_idx"]), float(node["num_threshold"]), left, missing_left)
    yield from below
    yield from _inner(nodes, int(node["right"]), tree, values)


if __name__ == "__main__":
    main()
