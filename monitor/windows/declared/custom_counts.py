"""Counts own metrics of rows into a profile: exact sums of their terms and of products of these.

A row of which any term has no value is set aside, with the reason, and counts in none of the metric's sums. A metric
that fails sets its rows aside and stops no other.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np
import pyarrow as pa

from monitor.expressions.rows import BatchEvaluation
from monitor.runtime.faults import Faults
from monitor.windows.declared.custom_metric import CustomMetric
from monitor.windows.declared.functions import with_values
from monitor.windows.declared.tally_labels import ASIDE, BUCKET, GROWTH, ROWS, SMALLEST
from monitor.windows.kernel.count_column import Weights
from monitor.windows.kernel.count_rows import in_slices, with_features
from monitor.windows.kernel.exact_sums import exact_sum
from monitor.windows.kernel.probabilities import under_known_names
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.layout import Layout
from monitor.windows.profile import Profile, Slice, empty


def count(
    rows: pa.RecordBatch,
    layout: Layout,
    most_slices: int,
    metrics: Sequence[CustomMetric],
    *,
    are_joined: bool,
    faults: Faults | None = None,
) -> Profile | None:
    """Count predictions, or (`are_joined`) predictions with new outcomes; None if no metric counts these.
    The user's functions that fail are reported to `faults`.

    Metrics that read an outcome count rows whose outcome has become known; the others count predictions.
    """
    chosen = [one for one in metrics if bool(one.expression.outcome) == are_joined]
    if not chosen or not rows.num_rows:
        return None

    known = with_values(under_known_names(rows, layout), chosen, faults or Faults())

    def count_one(part: pa.RecordBatch, core_only: bool) -> Slice:
        totals: dict[str, int] = {}
        tallies: dict[str, Tally] = {}
        for metric in chosen:
            try:
                of_metric, tally = _count(metric, part)
            except Exception as error:  # whatever is wrong with one metric must not stop the others
                of_metric, tally = (
                    {},
                    {f"{ASIDE}cannot be computed ({type(error).__name__})": float(part.num_rows)},
                )
            totals |= of_metric
            if tally:
                tallies[metric.tally] = bounded(tally)
        return replace(empty(layout, core_only=core_only), totals=totals, tallies=tallies)

    return in_slices(known, layout, most_slices, count_one)


def features_of(metrics: Sequence[CustomMetric]) -> frozenset[str]:
    """The features that are needed beside outcomes."""
    return frozenset().union(*(metric.expression.features for metric in metrics if metric.expression.outcome))


def _count(metric: CustomMetric, rows: pa.RecordBatch) -> tuple[dict[str, int], Tally]:
    expression = metric.expression
    if expression.outcome:
        name = f"outcome.{expression.outcome}"
        if name not in rows.schema.names:
            return {}, {}
        rows = rows.filter(rows.column(name).is_valid())
    rows, weights = with_features(rows) if expression.uses_features else (rows, Weights())
    if not rows.num_rows:
        return {}, {}
    evaluation = BatchEvaluation(rows)
    term_values = [term.values(evaluation) for term in expression.terms]
    why = np.zeros(rows.num_rows, np.uint8)
    for one in term_values:
        why = np.where(why != 0, why, one.why)
    is_usable = why == 0
    tally: Tally = {ROWS: float(np.count_nonzero(is_usable))}
    numbers, amounts = np.unique(why[~is_usable], return_counts=True)
    for number, amount in zip(numbers.tolist(), amounts.tolist(), strict=True):
        tally[f"{ASIDE}{evaluation.reasons[number - 1]}"] = float(amount)
    each = np.full(rows.num_rows, weights.same) if weights.each is None else weights.each
    weight, values = each[is_usable], [term_value.of_row[is_usable] for term_value in term_values]
    if expression.quantile is not None:
        return {metric.total(0): exact_sum(weight)}, tally | _buckets(values[1], weight)
    weighted = [value * weight for value in values]
    totals = {metric.total(place): exact_sum(one) for place, one in enumerate(weighted)}
    for place, one in enumerate(weighted):
        for other in range(place, len(weighted)):
            totals[metric.product(place, other)] = exact_sum(one * weighted[other])
    return totals, tally


def _buckets(values: np.ndarray, weight: np.ndarray) -> Tally:
    size = np.abs(values)
    steps = np.ceil(np.log(np.maximum(size, SMALLEST) / SMALLEST) / log(GROWTH)).astype(np.int64) + 1
    signed = np.where(size < SMALLEST, 0, np.where(values < 0, -steps, steps))
    numbers, place = np.unique(signed, return_inverse=True)
    sums = np.bincount(place, weight, numbers.size)
    return {f"{BUCKET}{number}": float(n) for number, n in zip(numbers.tolist(), sums.tolist(), strict=True)}
