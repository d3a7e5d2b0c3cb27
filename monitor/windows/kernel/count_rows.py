"""Counts rows of predictions into the profile of their window. The daemon, its child processes and Spark
all call this.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.predictions.texts.call_columns import FIGURE_FEATURES
from monitor.windows.error_trees import expected_errors
from monitor.windows.error_trees.expected_errors import with_expected
from monitor.windows.kernel import attribution_counts, ranking_counts, segment_cells, unknown_columns
from monitor.windows.kernel.count_column import (
    MOST_MATRIX_ROWS,
    Weights,
    count_labels,
    count_matrix,
    count_numbers,
    fits_matrix,
    truth_words,
)
from monitor.windows.kernel.exact_sums import WEIGHT_UNIT, SumArrays, exact_sum
from monitor.windows.kernel.probabilities import PROBABILITIES, uncertainties, under_known_names
from monitor.windows.kernel.relations.median_sides import Sides, sides_of
from monitor.windows.kernel.segment_cells import NONE, SegmentFeatures
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout.layout import LABEL_SETS, MISSING, Column, Floats, Layout, is_signal
from monitor.windows.layout.slice_limits import (
    MOST_VALUES,
    VERSION,
    SliceKey,
    SliceLimits,
    limited,
    limited_names,
)
from monitor.windows.profile import NOTATION, OVERALL, Profile, Slice, empty, merge_slices

SEGMENTS = "segments."
SQUARED = "_squared"
"""Suffix of the sum of squares of a column."""
_LARGEST_WITH_FINITE_SQUARE = 1e150
_ANSWERS = ("prediction", "confidence", "entropy", "margin")
_SEPARATE = ("features.", "confidence.right", "confidence.wrong", "outcome.", "truth.")
"""Columns that are not counted with the predictions: features are weighted, the others are counted with outcomes."""
_Groups = tuple[list[Column], list[Column], list[Column]]
_GROUPS: WeakKeyDictionary[Layout, dict[bool, _Groups]] = WeakKeyDictionary()


def count(
    rows: pa.RecordBatch,
    layout: Layout,
    most_slices: int = MOST_VALUES,
    by_segment: SegmentFeatures = NONE,
) -> Profile:
    """Count predictions, columns as in `monitor.predictions.log.batch`, into a profile with slices.

    At most `most_slices` versions, and as many values of each segment, are counted separately. `by_segment` are the
    features that are counted for each segment as well.
    """

    def count_one(part: pa.RecordBatch, core_only: bool) -> Slice:
        return count_slice(part, layout, core_only=core_only)

    known = with_expected(under_known_names(rows, layout), layout)
    profile = in_slices(known, layout, most_slices, count_one)
    slices = dict(profile.slices)
    segments = {key: part for key, part in slices.items() if key[0].startswith("segments.")}
    if by_segment.most and segments:
        columns = by_segment.columns(layout)
        counted = segment_cells.count(*with_features(known), columns, segments, by_segment.cells)
        slices |= {key: replace(slices[key], cells=cells) for key, cells in counted.items()}
    return replace(profile, slices=slices)


def count_slice(rows: pa.RecordBatch, layout: Layout, *, core_only: bool = False) -> Slice:
    """Count rows into one slice, which has all columns or the core columns only."""
    blank = empty(layout, core_only=core_only)
    target = SumArrays(blank.counts, blank.sums, blank.extremes)
    answered = _answered(rows)
    sampled, weights = with_features(rows)
    sides = None if core_only else sides_of(layout, sampled.num_rows)
    tallies: dict[str, Tally] = {}
    features, answers, others = _groups(layout, core_only=core_only)
    if sampled is rows and answered is rows and weights.is_one:  # the same for all columns: one pass
        tallies |= _count_columns([*features, *answers, *others], rows, weights, target, layout, sides)
    else:
        tallies |= _count_columns(features, sampled, weights, target, layout, sides)
        tallies |= _count_columns(answers, answered, Weights(), target, layout)
        tallies |= _count_columns(others, rows, Weights(), target, layout)
    if sides is not None:
        sides.note_labels(layout, sampled)
        sides.count(weights, sampled.num_rows, target)
    total_weight, squares = _weight_sums(sampled.num_rows, weights)
    lists, shown = ranking_counts.count(rows, with_items=not core_only)
    totals = _totals(rows) | lists | expected_errors.count(sampled, weights)
    tallies |= shown
    if not core_only:
        totals |= attribution_counts.count(sampled, weights)
        tallies |= unknown_columns.count(sampled, layout, weights)
    return replace(
        blank,
        rows=rows.num_rows,
        weight=total_weight,
        weight_squares=squares,
        totals=totals,
        tallies=tallies | _tallies(rows, answered, layout),
    )


def _count_columns(
    columns: Sequence[Column],
    rows: pa.RecordBatch,
    weights: Weights,
    target: SumArrays,
    layout: Layout,
    sides: Sides | None = None,
) -> dict[str, Tally]:
    """Add columns to their places, and their sides to `sides`. Returns tallies of labels that the baseline does not
    contain, as `new:<column>`, and of those that it writes differently, as `notation:<column>`.
    """
    present = dict(zip(reversed(rows.schema.names), reversed(rows.columns), strict=True))
    present |= uncertainties(rows, columns, layout)
    absent = _weight_sums(rows.num_rows, weights)[0]
    for_matrix: list[tuple[Column, pa.Array]] = []
    tallies: dict[str, Tally] = {}
    for column in columns:
        array = present.get(column.source or column.name)
        if array is None:
            target.counts[column.start + MISSING] += absent
        elif column.labelled:
            new, other = count_labels(column, array, weights, target)
            tallies |= {f"new:{column.name}": new} if new else {}
            tallies |= {f"{NOTATION}{column.name}": other} if other else {}
        elif weights.each is None and 0 < rows.num_rows <= MOST_MATRIX_ROWS and fits_matrix(column, array):
            for_matrix.append((column, array))
        else:
            observe = None if sides is None else sides.observer(column)
            count_numbers(column, array, weights, target, observe)
            if sides is not None and observe is not None:
                sides.note_known(column, array, target)
            if words := truth_words(column, array):
                tallies[f"{NOTATION}{column.name}"] = words
    if for_matrix:
        chosen = [column for column, _ in for_matrix]
        matrix = count_matrix(chosen, [array for _, array in for_matrix], weights.same, target)
        if sides is not None:
            sides.add_matrix(chosen, matrix, target)
    return tallies


def _groups(layout: Layout, *, core_only: bool) -> _Groups:
    """The columns that count features, those that count answers, and others; relations are counted with features."""
    known = _GROUPS.setdefault(layout, {})
    if core_only not in known:
        columns = [
            column for column in (layout.core_columns if core_only else layout.columns) if not column.other
        ]
        features = [column for column in columns if column.name.startswith("features.")]
        answers = [column for column in columns if _is_answer(column)]
        others = [
            column for column in columns if not (_is_answer(column) or column.name.startswith(_SEPARATE))
        ]
        known[core_only] = features, answers, others
    return known[core_only]


def _is_answer(column: Column) -> bool:
    return column.name in _ANSWERS or column.name.startswith((PROBABILITIES, LABEL_SETS))


def _answered(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The predictions that the model answered: an error has no prediction that could be missing."""
    if "error" not in rows.schema.names or rows.column("error").null_count == rows.num_rows:
        return rows
    return rows.filter(rows.column("error").is_null())


def with_features(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, Weights]:
    """The rows whose features are stored, and their weights."""
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
    """Exact sums of costs, of signals and of the tokens of calls, and of their squares."""
    totals: dict[str, int] = {}
    for name in rows.schema.names:
        if name == "cost" or _is_figure(name, rows):
            values = finite(rows.column(name))
            totals |= {name: exact_sum(values), f"{name}{SQUARED}": exact_sum(values * values)}
    return totals


def _is_figure(name: str, rows: pa.RecordBatch) -> bool:
    """Whether a column is a signal, or a figure of calls, that is a number."""
    return (is_signal(name) or name in FIGURE_FEATURES) and pa.types.is_floating(rows.column(name).type)


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
    for name in present:
        if _is_figure(name, rows):
            flags[f"{name}_known"] = float(finite(rows.column(name)).size)
        elif is_signal(name) and pa.types.is_boolean(rows.column(name).type):
            flags |= yes_and_known(rows.column(name), name)
    if "prediction" in present and "prediction" not in layout.by_name:
        prediction = answered.column("prediction")
        if pa.types.is_dictionary(prediction.type):
            tallies["prediction"] = label_counts(prediction)
    return tallies


def yes_and_known(column: pa.Array, name: str) -> Tally:
    """How often a flag was set, and how often it was given."""
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
    """The numbers of a column that are finite, and whose squares are finite."""
    values = arrays.floats(column) if pa.types.is_float64(column.type) else numbers(column).values
    return np.asarray(values[np.abs(values) < _LARGEST_WITH_FINITE_SQUARE])


def in_slices(
    rows: pa.RecordBatch, layout: Layout, most: int, count_one: Callable[[pa.RecordBatch, bool], Slice]
) -> Profile:
    """The profile of some rows. At most `most` versions, and as many values of each segment, get a slice.

    `count_one` counts rows into one slice; if its second argument is true (a segment), the core columns only.
    """
    segments = _given(rows, [name for name in rows.schema.names if name.startswith(SEGMENTS)])
    names_kept, limits = limited_names(segments, layout, SliceLimits(most))
    rows = _without(rows, set(segments).difference(names_kept))  # each slice would copy them
    labelled = {name: _labels(rows.column(name)) for name in [*_given(rows, [VERSION]), *names_kept]}
    keys, limits = limited(
        [(name, value) for name, (values, _) in labelled.items() for value in values if value is not None],
        layout,
        limits,
    )
    separate: dict[str, set[str]] = {}
    for key, kept in keys:
        separate.setdefault(key, set()).add(kept)
    slices: dict[SliceKey, Slice] = {}
    counted: list[Slice] = []
    for value, part in _partition(rows, labelled.get(VERSION), separate.get(VERSION, set())):
        counted.append(count_one(part, False))
        if value is not None:
            slices[(VERSION, value)] = counted[-1]
    slices[OVERALL] = merge_slices(counted)
    for name in names_kept:
        for value, part in _partition(rows, labelled[name], separate.get(name, set())):
            if value is not None:
                slices[(name, value)] = count_one(part, True)
    return Profile(layout, dict(sorted(slices.items())), limits)


_Labels = tuple[list[str | None], np.ndarray]
"""The values that occur in a column, None for rows without one, and the place of each row's value among them."""


def _given(rows: pa.RecordBatch, columns: Sequence[str]) -> list[str]:
    """The columns that exist and have values."""
    present = set(rows.schema.names)
    return [name for name in columns if name in present and rows.column(name).null_count < rows.num_rows]


def _without(rows: pa.RecordBatch, columns: Container[str]) -> pa.RecordBatch:
    kept = [name for name in rows.schema.names if name not in columns]
    return rows if len(kept) == rows.num_columns else rows.select(kept)


def _labels(column: pa.Array) -> _Labels:
    encoded = names(column)
    labels = [*encoded.dictionary.to_pylist(), None]
    codes = arrays.codes(encoded, len(labels) - 1)
    present, places = np.unique(codes, return_inverse=True)
    return [labels[code] for code in present.tolist()], places


def _partition(
    rows: pa.RecordBatch, labelled: _Labels | None, separate: Container[str]
) -> Iterator[tuple[str | None, pa.RecordBatch]]:
    """The rows of each value that is counted separately; under None all others."""
    if labelled is None:
        yield None, rows
        return
    values, places = labelled
    chosen = [place for place, value in enumerate(values) if value is not None and value in separate]
    if len(chosen) == len(values) == 1:
        yield values[0], rows
        return
    for place in chosen:
        yield values[place], rows.filter(pa.array(places == place))
    rest = ~np.isin(places, chosen)
    if rest.any():
        yield None, rows.filter(pa.array(rest))
