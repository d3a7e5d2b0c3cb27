"""Rows of predictions to the profile of their window: the one function that the daemon, a worker and Spark call."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions import arrays
from monitor.predictions.columns import names, numbers
from monitor.windows import extra, few
from monitor.windows.exact import exact_sum
from monitor.windows.kernel import Weights, count_labels, count_numbers
from monitor.windows.layout import MISSING, Column, Floats, Layout
from monitor.windows.moments import WEIGHT_UNIT, Target
from monitor.windows.profile import Profile, Slice, empty
from monitor.windows.slicing import MOST_SLICES, in_slices
from monitor.windows.tally import Tally, bounded

_LARGEST_SQUARED = 1e150
_ANSWERS = ("prediction", "confidence", "entropy", "margin")
_APART = ("features.", "confidence.right", "confidence.wrong", "outcome.", "truth.")
"""Columns that are not counted with the predictions themselves: features by weight, the others by their outcomes."""


def count(rows: pa.RecordBatch, layout: Layout, most_slices: int = MOST_SLICES) -> Profile:
    """Count predictions, shape of `monitor.predictions.batches`, into a profile with its slices.

    At most `most_slices` versions, and as many values of each segment, are counted apart.
    """

    def count_one(part: pa.RecordBatch, core_only: bool) -> Slice:
        columns = layout.core_columns if core_only else layout.columns
        return count_slice(part, layout, columns, core_only=core_only)

    return Profile(layout, in_slices(rows, most_slices, count_one))


def count_slice(
    rows: pa.RecordBatch, layout: Layout, columns: Sequence[Column], *, core_only: bool = False
) -> Slice:
    """Count rows into one slice."""
    blank = empty(layout, core_only=core_only)
    target = Target(blank.counts, blank.sums, blank.extremes)
    answered = _answered(rows)
    kept, weights = _kept(rows)
    tallies: dict[str, Tally] = {}
    features = [column for column in columns if column.name.startswith("features.")]
    answers = [column for column in columns if _is_answer(column)]
    others = [column for column in columns if not (_is_answer(column) or column.name.startswith(_APART))]
    if kept is rows and answered is rows:  # nothing was left out: one pass over all
        tallies |= _count_columns([*features, *answers, *others], rows, weights, target)
    else:
        tallies |= _count_columns(features, kept, weights, target)
        tallies |= _count_columns(answers, answered, Weights(), target)
        tallies |= _count_columns(others, rows, Weights(), target)
    total_weight, squares = _weight_sums(kept.num_rows, weights)
    if not core_only:
        tallies |= extra.count(kept, layout, weights)
    return replace(
        blank,
        rows=rows.num_rows,
        weight=total_weight,
        weight_squares=squares,
        totals=_totals(rows),
        tallies=tallies | _tallies(rows, answered, layout),
    )


def _count_columns(
    columns: Sequence[Column], rows: pa.RecordBatch, weights: Weights, target: Target
) -> dict[str, Tally]:
    """Add columns to their places; labels that the baseline never saw, as `new:<column>`."""
    present = dict(zip(reversed(rows.schema.names), reversed(rows.columns), strict=True))
    present |= _uncertainties(rows, columns)
    absent = _weight_sums(rows.num_rows, weights)[0]
    together: list[tuple[Column, pa.Array]] = []
    tallies: dict[str, Tally] = {}
    for column in columns:
        array = present.get(column.source or column.name)
        if array is None:
            target.counts[column.start + MISSING] += absent
        elif column.labelled:
            if new := count_labels(column, array, weights, target):
                tallies[f"new:{column.name}"] = new
        elif weights.each is None and 0 < rows.num_rows <= few.MOST_ROWS and few.fits(column, array):
            together.append((column, array))
        else:
            count_numbers(column, array, weights, target)
    if together:
        few.count_few([column for column, _ in together], [a for _, a in together], weights.same, target)
    return tallies


def _is_answer(column: Column) -> bool:
    return column.name in _ANSWERS or column.name.startswith("probabilities.")


def _answered(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Predictions that the model answered: an error has no prediction that could be missing."""
    if "error" not in rows.schema.names or rows.column("error").null_count == rows.num_rows:
        return rows
    return rows.filter(rows.column("error").is_null())


def _kept(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, Weights]:
    """The rows whose features were kept, and what each of them counts for."""
    if "sampled" in rows.schema.names:
        rows = rows.filter(rows.column("sampled").fill_null(True))
    if "weight" not in rows.schema.names or rows.num_rows == 0:
        return rows, Weights()
    each = np.rint(np.nan_to_num(arrays.floats(rows.column("weight")), nan=1.0) / WEIGHT_UNIT) * WEIGHT_UNIT
    if np.all(each == each[0]):
        return rows, Weights(float(each[0]))
    return rows, Weights(1.0, each)


def _weight_sums(rows: int, weights: Weights) -> tuple[float, float]:
    if weights.each is None:
        return rows * weights.same, rows * weights.same**2
    return float(weights.each.sum()), float(np.einsum("i,i->", weights.each, weights.each))


def _totals(rows: pa.RecordBatch) -> dict[str, int]:
    if "cost" not in rows.schema.names:
        return {}
    costs = finite(rows.column("cost"))
    return {"cost": exact_sum(costs), "cost_squared": exact_sum(costs * costs)}


def _tallies(rows: pa.RecordBatch, answered: pa.RecordBatch, layout: Layout) -> dict[str, Tally]:
    present = rows.schema.names
    flags: Tally = {"errors": float(rows.num_rows - answered.num_rows)}
    tallies: dict[str, Tally] = {"flags": flags}
    if flags["errors"]:
        tallies["error"] = label_counts(rows.column("error"))
    if "automated" in present:
        flags |= yes_and_known(rows.column("automated"), "automated")
    if "cost" in present:
        flags["costed"] = float(finite(rows.column("cost")).size)
    if "prediction" in present and "prediction" not in layout.by_name:
        prediction = answered.column("prediction")
        if pa.types.is_dictionary(prediction.type):
            tallies["prediction"] = label_counts(prediction)
    return tallies


def yes_and_known(column: pa.Array, name: str) -> Tally:
    """How often a flag was set, and how often it was told at all."""
    known = len(column) - column.null_count
    return {name: float(pc.sum(column).as_py() or 0), f"{name}_known": float(known)}


def label_counts(column: pa.Array) -> Tally:
    """How often each label occurs."""
    encoded = names(column)
    totals = arrays.code_counts(encoded)[:-1].tolist()
    return bounded(
        {label: float(n) for label, n in zip(encoded.dictionary.to_pylist(), totals, strict=True) if n}
    )


def finite(column: pa.Array) -> Floats:
    """The numbers of a column that are finite, and whose squares are."""
    values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
    return np.asarray(values[np.abs(values) < _LARGEST_SQUARED])


def _uncertainties(rows: pa.RecordBatch, columns: Sequence[Column]) -> dict[str, pa.Array | None]:
    """Those of entropy and margin that are among the columns; None where they cannot be had."""
    wanted = [column.name for column in columns if column.name in ("entropy", "margin")]
    classes = [n for n in rows.schema.names if n.startswith("probabilities.")] if wanted else []
    if len(classes) < 2 or rows.num_rows == 0:
        return dict.fromkeys(wanted)
    return {name: _uncertainty(rows, classes, name) for name in wanted}


def _uncertainty(rows: pa.RecordBatch, classes: Sequence[str], name: str) -> pa.Array:
    """Entropy over its largest value, or the lead of the likeliest class, from the probabilities of all classes."""
    shares = probabilities(rows, classes)
    known = np.isfinite(shares).all(axis=1)
    found = np.full(rows.num_rows, np.nan)
    if name == "margin":
        top = np.partition(shares[known], -2, axis=1)
        found[known] = top[:, -1] - top[:, -2]
    else:
        positive = np.where(shares[known] > 0, shares[known], 1.0)
        found[known] = -(positive * np.log(positive)).sum(axis=1) / np.log(len(classes))
    return pa.array(np.clip(found, 0.0, 1.0), mask=~known)


def probabilities(rows: pa.RecordBatch, columns: Iterable[str]) -> Floats:
    """Probabilities of the classes, each row scaled to one, NaN where a row has none, shape (n, classes)."""
    raw = np.stack([arrays.floats(rows.column(name)) for name in columns], axis=1)
    absent = np.isnan(raw)
    filled = np.clip(np.where(absent, 0.0, raw), 0.0, None)
    total = filled.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(absent.all(axis=1, keepdims=True) | (total <= 0), np.nan, filled / total)
