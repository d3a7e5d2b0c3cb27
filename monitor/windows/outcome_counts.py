"""Outcomes, added to the profiles of the windows that contain their predictions."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import name_of, names
from monitor.windows.kernel import label_set_counts, output_counts, ranking_counts
from monitor.windows.kernel.confusion_counts import Labels, count_pairs, labels_of
from monitor.windows.kernel.count_column import Weights, count_numbers
from monitor.windows.kernel.count_rows import finite, in_slices, yes_and_known
from monitor.windows.kernel.exact_sums import SumArrays, exact_sum
from monitor.windows.kernel.probabilities import (
    PROBABILITIES,
    known_classes,
    probabilities,
    under_known_names,
)
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.expected_answers import ExpectedAnswers, expected_of, joins_of
from monitor.windows.layout.layout import Layout
from monitor.windows.layout.notation import number_of
from monitor.windows.layout.slice_limits import MOST_VALUES
from monitor.windows.profile import Profile, Slice, empty

_MIN_PROBABILITY = 1e-15
_LARGEST_CLASS = 1e15
"""Larger integers are not classes: they are written differently as texts."""


def count_outcomes(joined: pa.RecordBatch, layout: Layout, most_slices: int = MOST_VALUES) -> Profile:
    """Count outcomes that are joined to their predictions. Predictions are not counted, so the result can be merged
    into the window's profile.
    """

    def count_one(part: pa.RecordBatch, core_only: bool) -> Slice:
        return _count_slice(part, layout, core_only=core_only)

    return in_slices(under_known_names(joined, layout), layout, most_slices, count_one)


def _count_slice(rows: pa.RecordBatch, layout: Layout, *, core_only: bool = False) -> Slice:
    blank = empty(layout, core_only=core_only)
    target = SumArrays(blank.counts, blank.sums, blank.extremes)
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
    of_sets, by_label = label_set_counts.count(rows)
    totals |= ranking_counts.count_relevant(rows) | of_sets | output_counts.count(rows)
    return replace(blank, totals=totals, tallies=tallies | by_label)


def _count_truths(
    rows: pa.RecordBatch, layout: Layout, target: SumArrays, totals: dict[str, int], tallies: dict[str, Tally]
) -> None:
    if "outcome.delay" in rows.schema.names:
        count_numbers(layout.column("outcome.delay"), rows.column("outcome.delay"), Weights(), target)
    if "prediction" not in rows.schema.names:
        return
    rows = rows.filter(rows.column("prediction").is_valid())
    if rows.num_rows == 0:
        return
    expected = expected_of(layout)
    classed, judged = None, 0
    if expected is not ExpectedAnswers.CLASSES:
        classed, judged = _count_numbers(rows, totals, tallies["flags"])
    if expected is ExpectedAnswers.NUMBERS:
        tallies["flags"]["judged"] = float(judged)
        return
    if classed is not None:  # integers may be classes unless the baseline shows otherwise
        rows = rows.filter(pa.array(classed))
    tallies["flags"]["judged"] = float(judged + rows.num_rows)
    if rows.num_rows:
        _count_classes(rows, layout, target, totals, tallies, expected)


def _count_numbers(
    rows: pa.RecordBatch, totals: dict[str, int], flags: Tally
) -> tuple[np.ndarray | None, int]:
    """Add the rows whose answer and truth are numbers. Returns a mask of the rows that may be classes (None: all), and
    the number of the others.
    """
    answer, truth = rows.column("prediction"), rows.column("outcome.truth")
    answers, truths = numbers_of(answer), numbers_of(truth)
    both = ~(np.isnan(answers) | np.isnan(truths))
    if not both.any():
        return None, 0
    totals |= sum_residuals(answers[both], truths[both], flags)
    whole = both & (answers == np.rint(answers)) & (truths == np.rint(truths))
    whole &= (np.abs(answers) < _LARGEST_CLASS) & (np.abs(truths) < _LARGEST_CLASS)
    flags["whole"] = float(np.count_nonzero(whole))
    if not (pa.types.is_floating(answer.type) or pa.types.is_floating(truth.type)):
        flags["whole_texts"] = flags["whole"]
    fractions = both & ~whole
    fractional = int(np.count_nonzero(fractions))
    return (~fractions if fractional else None), fractional


def _count_classes(
    rows: pa.RecordBatch,
    layout: Layout,
    target: SumArrays,
    totals: dict[str, int],
    tallies: dict[str, Tally],
    expected: ExpectedAnswers,
) -> None:
    truth, answer = labels_of(rows.column("outcome.truth")), labels_of(rows.column("prediction"))
    joins = joins_of(layout)
    correct, counted = count_pairs(truth, answer, joins, sparse=expected is ExpectedAnswers.EITHER)
    tallies |= counted
    tallies["flags"] |= {"right": float(correct.sum()), "classed": float(correct.size)}
    if "confidence" in rows.schema.names:
        confidence = rows.column("confidence")
        for side, chosen in (("right", correct), ("wrong", ~correct)):
            array = confidence.filter(pa.array(chosen))
            count_numbers(layout.column(f"confidence.{side}"), array, Weights(), target)
    _count_scores(rows, truth, layout, target, totals, tallies["flags"])


def _count_scores(
    rows: pa.RecordBatch,
    truth: Labels,
    layout: Layout,
    target: SumArrays,
    totals: dict[str, int],
    flags: Tally,
) -> None:
    """Count the probability of each class where it was the truth and where it was not; add log loss and Brier score."""
    present = [name for name in rows.schema.names if name.startswith(PROBABILITIES)]
    known = known_classes(layout)
    if len(known) < 2 or not present:
        return
    columns = [*known, *(name for name in present if name not in layout.by_name)]
    shares = probabilities(rows, columns)
    key = joins_of(layout).key
    index_of = {key(name.removeprefix(PROBABILITIES)): index for index, name in enumerate(columns)}
    codes = np.array([index_of.get(key(text), -1) for text in truth.texts], np.int64)[truth.codes]
    scored = np.isfinite(shares).all(axis=1)
    flags["truth_without_probability"] = float(np.count_nonzero(scored & (codes < 0)))
    usable = scored & (codes >= 0)
    shares, codes = shares[usable], codes[usable]
    if target.counts.size == layout.size:
        for name in layout.classes:
            index = columns.index(f"{PROBABILITIES}{name}")
            for side, chosen in (("positive", codes == index), ("negative", codes != index)):
                column = layout.column(f"truth.{name}.{side}")
                count_numbers(column, pa.array(shares[chosen, index]), Weights(), target)
    of_truth = shares[np.arange(len(codes)), codes]
    losses = -np.log(np.maximum(of_truth, _MIN_PROBABILITY))
    brier = 1.0 - 2.0 * of_truth + np.einsum("ij,ij->i", shares, shares)
    flags["scored"] = float(len(codes))
    for name, values in (("log_loss", losses), ("brier", brier)):
        totals[name] = exact_sum(values)
        totals[f"{name}_squared"] = exact_sum(values**2)


def _feedback(column: pa.Array) -> Tally:
    values, counts = np.unique(finite(column), return_counts=True)
    named = zip(values.tolist(), counts.tolist(), strict=True)
    return bounded({str(name_of(value)): float(n) for value, n in named})


TOO_LARGE = "too_large:"
"""Prefix of the flags that count the rows left out of a sum because their value exceeds float64."""


def numbers_of(column: pa.Array) -> np.ndarray:
    """A column as float64, also for numbers written as texts; NaN where there is no number, shape (n,)."""
    if pa.types.is_float64(column.type):
        return arrays.floats(column)
    if pa.types.is_boolean(column.type):
        return np.full(len(column), np.nan)
    encoded = names(column)
    known = np.array([*map(number_of, encoded.dictionary.to_pylist()), np.nan])
    return np.asarray(known[arrays.codes(encoded, known.size - 1)])


def sum_residuals(answers: np.ndarray, truths: np.ndarray, flags: Tally) -> dict[str, int]:
    """Sums over rows whose answer and truth are numbers. `flags` receives the number of rows, and of rows left out.

    Infinite answers and truths are left out of all sums, and counted in the flag `infinite`.
    """
    usable = np.isfinite(answers) & np.isfinite(truths)
    flags["infinite"] = float(answers.size - np.count_nonzero(usable))
    truths = truths[usable]
    with np.errstate(over="ignore"):
        residuals = answers[usable] - truths
        nonzero = truths != 0
        relative = np.abs(residuals[nonzero] / truths[nonzero])
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
    flags["residuals"] = float(residuals.size)
    flags["relative_residuals"] = float(relative.size)
    totals: dict[str, int] = {}
    for name, values in columns.items():
        fits = np.isfinite(values)
        if overflowed := values.size - np.count_nonzero(fits):
            flags[f"{TOO_LARGE}{name}"] = float(overflowed)
        totals[name] = exact_sum(values[fits])
    return totals
