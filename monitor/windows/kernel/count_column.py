"""Counts one Arrow column into its places in the flat array, without a Python object per row.

A column of numbers is sorted, and the edges are searched in it: much faster than searching every value among the edges.
Large batches need not even be sorted (see `monitor.windows.kernel.grid`). Weighted rows, and batches with fewer rows
than edges, are searched value by value. Labels are counted by their dictionary codes.

Up to 1,000 rows, all columns of numbers are counted in one matrix (`count_matrix`), because the calls per column would
cost more than the values. The result is identical to `count_numbers` per column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from monitor.predictions.intake.arrow_types import is_number
from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names, numbers
from monitor.predictions.log.hashing import hash_texts
from monitor.windows.kernel.exact_sums import EXACT, LIMIT, LOW_BITS, WEIGHT_UNIT, SumArrays, add_moments
from monitor.windows.kernel.grid import FEWEST_ROWS, MOST_ROWS, count_on_grid, grid_of
from monitor.windows.kernel.sorting import in_order, looks_ordered
from monitor.windows.kernel.tally import Tally, bounded
from monitor.windows.layout import derived_columns, label_set_columns
from monitor.windows.layout.layout import (
    LABEL_SETS,
    MINUS_INFINITY,
    MISSING,
    NAN,
    NEW,
    RARE,
    UNREADABLE,
    Column,
    ColumnKind,
    Floats,
)
from monitor.windows.layout.notation import TRUTH_WORDS, Joins, decide, written

_JOINED_LABELS: WeakKeyDictionary[Column, tuple[Joins, dict[str, int]]] = WeakKeyDictionary()
_MIN_ROWS_PER_EDGE = 0.2  # rows per edge; with fewer, each value is searched among the edges


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each row counts: one number for all rows, or one per row (shape (n,))."""

    same: float = 1.0
    each: Floats | None = None

    @property
    def is_one(self) -> bool:
        """Whether each row counts as one."""
        return self.each is None and self.same == 1.0


Observe = Callable[[int, Floats], None]
"""Called with the values of some rows, NaN or any number where there is none, and the number of the first row."""


def count_numbers(
    column: Column, array: pa.Array, weights: Weights, into: SumArrays, observe: Observe | None = None
) -> None:
    """Add a column of numbers (or one part of texts, times or vectors) to its places. `observe` is called with all
    values, `MOST_ROWS` (a multiple of eight) at a time, so that they are in the processor's cache when it and the
    counting read them.
    """
    places = into.counts[column.span]
    if weights.each is not None:
        values, unreadable = values_of(column, array)
        _count_weighted(column, values, weights.each, places)
        for place, chosen in ((MISSING, ~arrays.valid(array)), (UNREADABLE, unreadable)):
            amount = 0.0 if chosen is None else float(weights.each[chosen].sum())
            places[place] += amount
            places[NAN] -= amount
        usable = np.isfinite(values)
        add_moments(column, values[usable], 1.0, into, weights.each[usable])
        if observe is not None:
            observe(0, values)
        return
    counts = np.zeros(column.size)
    if not column.part and pa.types.is_float64(array.type):
        values, known = arrays.stored_floats(array), arrays.valid(array) if array.null_count else None
    else:
        values, unreadable = values_of(column, array)
        known = None
        counts[UNREADABLE] = 0 if unreadable is None else int(unreadable.sum())
        counts[NAN] = -array.null_count - counts[UNREADABLE]  # they are read as NaN
    for at in range(0, values.size, MOST_ROWS):
        piece = values[at : at + MOST_ROWS]
        usable = piece if known is None else piece[known[at : at + MOST_ROWS]]
        if observe is not None:
            observe(at, piece)
        _count_unweighted(column, usable, weights.same, counts, into, use_grid=values.size >= FEWEST_ROWS)
    counts[MISSING] = array.null_count
    places += counts if weights.same == 1.0 else counts * weights.same


def _count_unweighted(
    column: Column, values: Floats, same: float, counts: Floats, into: SumArrays, *, use_grid: bool
) -> None:
    """Add values to `counts`, one each, and to the column's moments with the weight `same`."""
    grid = grid_of(column) if use_grid and not looks_ordered(values) else None
    rest = values if grid is None else count_on_grid(column, grid, values, same, counts, into)
    if rest.size:
        finite = _count_plain(column, rest, counts)
        add_moments(column, finite, same, into)


def count_labels(column: Column, array: pa.Array, weights: Weights, into: SumArrays) -> tuple[Tally, Tally]:
    """Add a column of labels to its places. Returns tallies of the labels that the baseline does not contain, and of
    those that it writes differently.
    """
    if column.kind is ColumnKind.IDENTIFIER:
        _count_presence(column, array, weights, into)
        return {}, {}
    encoded = names(array)
    labels = encoded.dictionary
    places_of_labels, rewritten = _places_of_labels(column, labels)
    totals: np.ndarray
    if weights.each is None:
        totals = arrays.code_counts(encoded) * weights.same
    else:
        totals = np.bincount(arrays.codes(encoded, len(labels)), weights.each, len(places_of_labels))
    places = into.counts[column.span]
    places += np.bincount(places_of_labels, weights=totals, minlength=column.size)
    unknown = np.flatnonzero((places_of_labels == NEW) & (totals > 0))
    new, other = (
        bounded({str(labels[int(i)].as_py()): float(totals[i]) for i in indices if totals[i]})
        for indices in (unknown, rewritten)
    )
    return new, other


def truth_words(column: Column, array: pa.Array) -> Tally:
    """How often true and false occur where the baseline has 1 and 0."""
    kind = array.type
    is_text = pa.types.is_dictionary(kind) or pa.types.is_string(kind)
    if not (is_text or pa.types.is_boolean(kind)) or column.part or not _is_binary(column):
        return {}
    encoded = names(array)
    totals = arrays.code_counts(encoded)[:-1].tolist()
    pairs = zip(encoded.dictionary.to_pylist(), totals, strict=True)
    return {text: float(n) for text, n in pairs if n and written(text) in TRUTH_WORDS}


def places_of_rows(column: Column, array: pa.Array) -> np.ndarray:
    """The place within the column where each row is counted, shape (n,)."""
    if not column.labelled:
        values, _ = values_of(column, array)
        cuts = column.cuts
        index = np.searchsorted(cuts, values, side="right")
        return np.where(index == cuts.size, MISSING, index + MINUS_INFINITY)
    encoded = names(array)
    places_of_labels, _ = _places_of_labels(column, encoded.dictionary)
    return np.asarray(places_of_labels[arrays.codes(encoded, len(places_of_labels) - 1)])


def _count_presence(column: Column, array: pa.Array, weights: Weights, into: SumArrays) -> None:
    places = into.counts[column.span]
    absent = ~arrays.valid(array)
    each = np.full(len(array), weights.same) if weights.each is None else weights.each
    places[MISSING] += each[absent].sum()
    places[RARE] += each[~absent].sum()


def _places_of_labels(column: Column, labels: pa.Array) -> tuple[np.ndarray, list[int]]:
    """The place of each dictionary entry, with that of missing values at the end; and the indices of entries that the
    baseline writes differently.
    """
    places = map(column.places.get, labels.to_pylist(), repeat(NEW))
    assigned = np.fromiter(chain(places, (MISSING,)), np.int64, len(labels) + 1)
    unassigned = np.flatnonzero(assigned == NEW)
    rewritten: list[int] = []
    if unassigned.size and (column.known.size or column.open_ended):
        hashes = hash_texts(labels.take(arrays.places(unassigned)))
        rare = _is_among(hashes, column.known) | column.open_ended
        assigned[unassigned[rare]] = column.size - 1
        unassigned = unassigned[~rare]
    if unassigned.size:
        joins, place_of_key = _joined_labels(column)
        for index, label in zip(
            unassigned.tolist(), labels.take(arrays.places(unassigned)).to_pylist(), strict=True
        ):
            place = place_of_key.get(joins.key(label))
            if place is not None:
                assigned[index] = place
                rewritten.append(index)
    return assigned, rewritten


def _joined_labels(column: Column) -> tuple[Joins, dict[str, int]]:
    """The rule that joins the notations of a column's labels, and the place of each joined label."""
    joined = _JOINED_LABELS.get(column)
    if joined is None:
        joins = decide(column.labels)
        place_of_key: dict[str, int] = {}
        for label, place in column.places.items():
            place_of_key.setdefault(joins.key(label), place)
        joined = _JOINED_LABELS[column] = joins, place_of_key
    return joined


def _is_among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which hashes occur in the sorted array `known`."""
    if known.size == 0:
        return np.zeros(hashes.size, bool)
    return np.asarray(known[np.minimum(np.searchsorted(known, hashes), known.size - 1)] == hashes)


def values_of(column: Column, array: pa.Array) -> tuple[Floats, np.ndarray | None]:
    """The values, with NaN where there is none, and a mask of unreadable ones (None: all readable): texts that are not
    numbers or times, vectors of another length than in the baseline.
    """
    if column.part:
        if column.source == LABEL_SETS:
            values = label_set_columns.read(column, array)
        else:
            values = derived_columns.read(array, column.part, column.parameters)
        return values, np.isnan(values) & arrays.valid(array)
    if pa.types.is_float64(array.type):
        return arrays.floats(array), None
    kind = array.type
    if is_number(kind):
        return arrays.floats(array.cast(pa.float64(), safe=False)), None
    if not (pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind)):
        return np.full(len(array), np.nan), arrays.valid(array)
    parsed = numbers(array)
    if parsed.unreadable.any() and _is_binary(column):
        return _with_truth_words(array, parsed.values, parsed.unreadable)
    return parsed.values, parsed.unreadable


def _is_binary(column: Column) -> bool:
    """Whether all values of the baseline are 0 or 1."""
    return column.buckets <= len(TRUTH_WORDS) and bool(np.isin(column.edges[:-1], (0.0, 1.0)).all())


def _with_truth_words(array: pa.Array, values: Floats, unreadable: np.ndarray) -> tuple[Floats, np.ndarray]:
    """Read true as 1 and false as 0, also as texts, in columns where all numbers were 0 or 1."""
    encoded = names(array)
    value_of_word = [float(TRUTH_WORDS.get(written(text), "nan")) for text in encoded.dictionary.to_pylist()]
    words = np.array([*value_of_word, np.nan])[arrays.codes(encoded, len(value_of_word))]
    is_word = unreadable & ~np.isnan(words)
    return np.where(is_word, words, values), unreadable & ~is_word


def _count_plain(column: Column, values: Floats, places: Floats) -> Floats:
    """Count all places from NaN on (NaN includes missing values). Returns the finite values, sorted."""
    ordered = in_order(values)
    cuts = column.cuts
    if ordered.size > _MIN_ROWS_PER_EDGE * cuts.size:
        below = ordered.searchsorted(cuts)
        places[MINUS_INFINITY] += below[0]
        places[MINUS_INFINITY + 1 :] += below[1:] - below[:-1]
        places[NAN] += ordered.size - below[-1]
        return ordered[below[0] : below[-2]]
    index = np.searchsorted(cuts, ordered, side="right")
    counts = np.bincount(index, minlength=cuts.size + 1)
    places[MINUS_INFINITY:] += counts[:-1]
    places[NAN] += counts[-1]
    return ordered[counts[0] : ordered.size - counts[-1] - counts[-2]]


def _count_weighted(column: Column, values: Floats, each: Floats, places: Floats) -> None:
    cuts = column.cuts
    index = np.searchsorted(cuts, values, side="right")
    counts = np.bincount(index, weights=each, minlength=cuts.size + 1)
    places[MINUS_INFINITY:] += counts[:-1]
    places[NAN] += counts[-1]


MOST_MATRIX_ROWS = 1000
_MAX_SQUARES = 2.0**62


def fits_matrix(column: Column, array: pa.Array) -> bool:
    """Whether `count_matrix` can count the column: numbers that need no conversion."""
    return not column.labelled and not column.part and bool(pa.types.is_float64(array.type))


def count_matrix(
    columns: Sequence[Column], values: Sequence[pa.Array], same: float, into: SumArrays
) -> Floats:
    """Add columns of numbers to their places. All have the same few rows, and each row counts `same`.

    Returns the values in the order of the rows, shape (columns, rows).
    """
    matrix = np.stack([arrays.floats(array) for array in values])
    ordered = np.sort(matrix, axis=1)
    cuts = [column.cuts for column in columns]
    sizes = np.array([keys.size for keys in cuts])[:, None]
    starts = np.array([column.start for column in columns])[:, None]
    index = np.stack(
        [np.searchsorted(keys, row, side="right") for keys, row in zip(cuts, ordered, strict=True)]
    )
    places = starts + np.where(index == sizes, NAN, index + MINUS_INFINITY)
    counts = np.bincount(places.ravel(), minlength=into.counts.size)
    totals = into.counts
    totals += counts if same == 1.0 else counts * same
    absent = np.array([array.null_count for array in values]) * same
    totals[starts[:, 0] + MISSING] += absent
    totals[starts[:, 0] + NAN] -= absent
    _add_matrix_moments(columns, ordered, (index > 0) & (index < sizes - 1), same, into)
    return matrix


def _add_matrix_moments(
    columns: Sequence[Column], ordered: Floats, finite: np.ndarray, same: float, into: SumArrays
) -> None:
    """Add sums, sums of squares and extremes of the finite values of each column."""
    units, origins = np.array([(column.unit, column.origin) for column in columns]).T
    lowest = np.where(finite, ordered, np.inf).min(axis=1)
    highest = np.where(finite, ordered, -np.inf).max(axis=1)
    scale = round(same / WEIGHT_UNIT)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.where(finite, np.rint(ordered * (1.0 / units)[:, None]) - origins[:, None], 0.0)
        farthest = np.maximum(np.abs(lowest / units - origins), np.abs(highest / units - origins)) + 1
        squares_bound = farthest * farthest * ordered.shape[1]
        small = (farthest < LIMIT) & (squares_bound < EXACT) & (squares_bound * scale < _MAX_SQUARES)
    moments = np.array([column.moment for column in columns])
    into.extremes[moments, 0] = np.minimum(into.extremes[moments, 0], lowest)
    into.extremes[moments, 1] = np.maximum(into.extremes[moments, 1], highest)
    totals = steps[small].sum(axis=1).astype(np.int64) * scale
    squares = np.einsum("ij,ij->i", steps[small], steps[small]).astype(np.int64) * scale
    sums, mask = into.sums[moments[small]], (1 << LOW_BITS) - 1
    low = sums[:, 2] + (squares & mask)
    into.sums[moments[small]] = np.stack(
        [sums[:, 0] + totals, sums[:, 1] + (squares >> LOW_BITS) + (low >> LOW_BITS), low & mask], axis=1
    )
    for row in np.flatnonzero(~small & finite.any(axis=1)).tolist():  # sums that need more than 64 bits
        add_moments(columns[row], ordered[row][finite[row]], same, into)
