"""Counts sets of labels (`predicted_labels`) beside the true ones (`true_labels`), as exact sums and by label.

Ranking loss is counted of rows with a probability of each of their true labels. A true and a false label that are
equally probable are in the wrong order, and a row without a true or a false label has a loss of 0, as in scikit-learn.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.item_lists import in_parts, items_of
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.kernel.probabilities import PROBABILITIES
from monitor.windows.kernel.tally import Tally, add, bounded
from monitor.windows.layout.notation import written

PREDICTED, TRUE = "predicted_labels", "outcome.true_labels"
ROWS, EXACT = "labels rows", "labels exact"
RIGHT, EITHER = "labels right", "labels either"
"""Labels that are predicted and true, and labels that are predicted or true. Also, with `squares`, their squares."""
PRODUCT = "labels right times either"
RANKED, LOSS, LOSS_SQUARED, UNRANKED = (
    f"labels {what}" for what in ("ranked", "ranking loss", "ranking loss squared", "unranked")
)
TALLIES = TRUE_POSITIVES, FALSE_POSITIVES, FALSE_NEGATIVES = (
    "labels true positives", "labels false positives", "labels false negatives",
)  # fmt: skip
"""Tallies of rows by label."""


def squares(name: str) -> str:
    """The name of the sum of squares of a sum over rows."""
    return f"{name} squared"


def count(joined: pa.RecordBatch) -> tuple[dict[str, int], dict[str, Tally]]:
    """The sums and tallies of rows whose true labels have become known; empty without any."""
    names = joined.schema.names
    if PREDICTED not in names or TRUE not in names:
        return {}, {}
    is_known = np.logical_and(joined.column(PREDICTED).is_valid(), joined.column(TRUE).is_valid())
    rows = joined.filter(pa.array(is_known))
    totals: dict[str, int] = {}
    tallies: dict[str, Tally] = {}
    for part in in_parts(rows, (PREDICTED, TRUE)) if rows.num_rows else ():
        of_part, by_label = _count(part)
        totals = {each: totals.get(each, 0) + of_part.get(each, 0) for each in totals | of_part}
        tallies |= {each: add([tallies.get(each, {}), tally]) for each, tally in by_label.items()}
    return totals, tallies


def _count(rows: pa.RecordBatch) -> tuple[dict[str, int], dict[str, Tally]]:
    predicted, true = (
        [frozenset(map(written, items_of(text))) for text in rows.column(name).to_pylist()]
        for name in (PREDICTED, TRUE)
    )
    pairs = list(zip(predicted, true, strict=True))
    right = np.array([len(one & other) for one, other in pairs], np.float64)
    either = np.array([len(one | other) for one, other in pairs], np.float64)
    totals = {
        ROWS: exact_sum(np.ones(len(pairs))),
        EXACT: exact_sum((right == either).astype(np.float64)),
        RIGHT: exact_sum(right),
        EITHER: exact_sum(either),
        squares(RIGHT): exact_sum(right * right),
        squares(EITHER): exact_sum(either * either),
        PRODUCT: exact_sum(right * either),
        **_ranking_loss(rows, true),
    }
    tallies = {
        TRUE_POSITIVES: _by_label(one & other for one, other in pairs),
        FALSE_POSITIVES: _by_label(one - other for one, other in pairs),
        FALSE_NEGATIVES: _by_label(other - one for one, other in pairs),
    }
    return (
        {name: total for name, total in totals.items() if total},
        {name: bounded(tally) for name, tally in tallies.items() if tally},
    )


def _by_label(sets: Iterable[frozenset[str]]) -> Tally:
    tally: Tally = {}
    for one in sets:
        for label in one:
            tally[label] = tally.get(label, 0.0) + 1.0
    return dict(sorted(tally.items()))


def _ranking_loss(rows: pa.RecordBatch, true: Sequence[frozenset[str]]) -> dict[str, int]:
    """Sums over the rows with probabilities. A row that has none of a true label is set aside."""
    names = [name for name in rows.schema.names if name.startswith(PROBABILITIES)]
    if not names:
        return {}
    labels = [written(name.removeprefix(PROBABILITIES)) for name in names]
    scores = np.stack([arrays.floats(rows.column(name)) for name in names], axis=1)
    is_scored = np.isfinite(scores)
    is_true = np.array([[label in one for label in labels] for one in true])
    has_all = (is_true & is_scored).sum(axis=1) == np.array([len(one) for one in true])
    is_ranked = is_scored.any(axis=1) & has_all
    losses = np.array(
        [
            _loss(scores[row][is_scored[row]], is_true[row][is_scored[row]])
            for row in np.flatnonzero(is_ranked).tolist()
        ]
    )
    return {
        RANKED: exact_sum(np.ones(losses.size)),
        LOSS: exact_sum(losses),
        LOSS_SQUARED: exact_sum(losses * losses),
        UNRANKED: exact_sum(np.ones(int((is_scored.any(axis=1) & ~has_all).sum()))),
    }


def _loss(scores: np.ndarray, is_true: np.ndarray) -> float:
    """The share of pairs of a true and a false label in which the true one is not more probable."""
    true, false = scores[is_true], np.sort(scores[~is_true])
    pairs = true.size * false.size
    if not pairs:
        return 0.0
    below = np.searchsorted(false, true, side="left")
    return float((pairs - below.sum()) / pairs)
