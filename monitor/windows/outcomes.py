"""What became known later about predictions, added to the profile of the window that they were made in."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from monitor.predictions import arrays
from monitor.predictions.columns import name_of, names, numbers
from monitor.windows.count import finite, probabilities, yes_and_known
from monitor.windows.exact import exact_sum
from monitor.windows.kernel import Weights, count_numbers
from monitor.windows.layout import Layout
from monitor.windows.moments import Target
from monitor.windows.profile import Profile, Slice, empty
from monitor.windows.slicing import MOST_SLICES, in_slices
from monitor.windows.tally import Tally, bounded

PAIR = "\x1f"
"""Stands between truth and answer in the labels of the tally `confusion`."""
_SMALLEST = 1e-15


def count_outcomes(joined: pa.RecordBatch, layout: Layout, most_slices: int = MOST_SLICES) -> Profile:
    """Count outcomes joined to their predictions; adds no prediction, so it merges into the window's profile."""

    def count_one(part: pa.RecordBatch, core_only: bool) -> Slice:
        return _count_slice(part, layout, core_only=core_only)

    return Profile(layout, in_slices(joined, most_slices, count_one))


def _count_slice(rows: pa.RecordBatch, layout: Layout, *, core_only: bool = False) -> Slice:
    blank = empty(layout, core_only=core_only)
    target = Target(blank.counts, blank.sums, blank.extremes)
    present = rows.schema.names
    tallies: dict[str, Tally] = {"flags": {}}
    totals: dict[str, int] = {}
    for name in ("reviewed", "corrected"):
        if f"outcome.{name}" in present:
            tallies["flags"] |= yes_and_known(rows.column(f"outcome.{name}").cast(pa.bool_()), name)
    if "outcome.feedback" in present:
        tallies["feedback"] = _feedback(rows.column("outcome.feedback"))
    if "outcome.truth" in present:
        known = rows.filter(rows.column("outcome.truth").is_valid())
        tallies["flags"]["truths"] = float(known.num_rows)
        _count_truths(known, layout, target, totals, tallies)
    return replace(blank, totals=totals, tallies=tallies)


def _count_truths(
    rows: pa.RecordBatch, layout: Layout, target: Target, totals: dict[str, int], tallies: dict[str, Tally]
) -> None:
    if "outcome.delay" in rows.schema.names:
        count_numbers(layout.column("outcome.delay"), rows.column("outcome.delay"), Weights(), target)
    if "prediction" not in rows.schema.names:
        return
    rows = rows.filter(rows.column("prediction").is_valid())
    if rows.num_rows == 0:
        return
    if _is_regression(rows, layout):
        totals |= _regression(rows, tallies["flags"])
        return
    right, tallies["confusion"] = _confusion(rows)
    tallies["flags"] |= {"right": float(right.sum()), "judged": float(right.size)}
    if "confidence" in rows.schema.names:
        confidence = rows.column("confidence")
        for side, chosen in (("right", right), ("wrong", ~right)):
            array = confidence.filter(pa.array(chosen))
            count_numbers(layout.column(f"confidence.{side}"), array, Weights(), target)
    _count_scores(rows, layout, target, totals, tallies["flags"])


def _is_regression(rows: pa.RecordBatch, layout: Layout) -> bool:
    floats = all(pa.types.is_floating(rows.column(name).type) for name in ("prediction", "outcome.truth"))
    column = layout.by_name.get("prediction")
    return floats and not (column is not None and column.labelled)


def _regression(rows: pa.RecordBatch, flags: Tally) -> dict[str, int]:
    answers, truths = numbers(rows.column("prediction")).values, numbers(rows.column("outcome.truth")).values
    usable = np.isfinite(answers) & np.isfinite(truths)
    truths, residuals = truths[usable], answers[usable] - truths[usable]
    nonzero = truths != 0
    with np.errstate(over="ignore"):
        relative = np.abs(residuals[nonzero] / truths[nonzero])
    relative = relative[np.isfinite(relative)]
    flags["residuals"] = flags["judged"] = float(residuals.size)
    flags["relative_residuals"] = float(relative.size)
    with np.errstate(over="ignore"):
        columns = {
            "residual": residuals,
            "residual_absolute": np.abs(residuals),
            "residual_squared": residuals**2,
            "residual_fourth": residuals**4,
            "relative": relative,
            "relative_squared": relative**2,
            "truth": truths,
            "truth_squared": truths**2,
        }
    return {name: exact_sum(values[np.isfinite(values)]) for name, values in columns.items()}


def _confusion(rows: pa.RecordBatch) -> tuple[np.ndarray, Tally]:
    """Which predictions were right, shape (n,), and how often each truth met each answer."""
    truth, answer = names(rows.column("outcome.truth")), names(rows.column("prediction"))
    labels = sorted({*truth.dictionary.to_pylist(), *answer.dictionary.to_pylist()})
    place = {label: index for index, label in enumerate(labels)}
    codes = [
        np.array([place[label] for label in side.dictionary.to_pylist()])[arrays.codes(side, 0)]
        for side in (truth, answer)
    ]
    pairs, totals = np.unique(codes[0] * len(labels) + codes[1], return_counts=True)
    tally = {
        f"{labels[pair // len(labels)]}{PAIR}{labels[pair % len(labels)]}": float(n)
        for pair, n in zip(pairs.tolist(), totals.tolist(), strict=True)
    }
    return codes[0] == codes[1], bounded(tally)


def _count_scores(
    rows: pa.RecordBatch, layout: Layout, target: Target, totals: dict[str, int], flags: Tally
) -> None:
    """The probability of each class where it was the truth and where it was not; log loss and Brier score."""
    columns = [f"probabilities.{name}" for name in layout.classes]
    if len(columns) < 2 or not set(columns) <= set(rows.schema.names):
        return
    shares = probabilities(rows, columns)
    truth = names(rows.column("outcome.truth"))
    place = {label: index for index, label in enumerate(layout.classes)}
    slots = np.array([place.get(label, -1) for label in truth.dictionary.to_pylist()])
    codes = slots[arrays.codes(truth, 0)]
    usable = np.isfinite(shares).all(axis=1) & (codes >= 0)
    shares, codes = shares[usable], codes[usable]
    if target.counts.size == layout.size:
        for index, name in enumerate(layout.classes):
            for side, chosen in (("positive", codes == index), ("negative", codes != index)):
                column = layout.column(f"truth.{name}.{side}")
                count_numbers(column, pa.array(shares[chosen, index]), Weights(), target)
    losses = -np.log(np.maximum(shares[np.arange(len(codes)), codes], _SMALLEST))
    brier = ((shares - np.eye(len(columns))[codes]) ** 2).sum(axis=1)
    flags["scored"] = float(len(codes))
    for name, values in (("log_loss", losses), ("brier", brier)):
        totals[name] = exact_sum(values)
        totals[f"{name}_squared"] = exact_sum(values**2)


def _feedback(column: pa.Array) -> Tally:
    values, counts = np.unique(finite(column), return_counts=True)
    named = zip(values.tolist(), counts.tolist(), strict=True)
    return bounded({str(name_of(value)): float(n) for value, n in named})
