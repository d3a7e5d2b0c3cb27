"""The counting kernel: one Arrow column into its places of the flat array. No Python object a row.

A column of numbers is sorted, and the edges are looked up in it: many times faster than looking every value up among
the edges. Many rows need not even be sorted (see `monitor.windows.grid`). With weights, or with fewer rows than edges,
the values are looked up after all. Labels are counted by their dictionary codes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import pyarrow as pa

from monitor.predictions import arrays
from monitor.predictions.columns import names, numbers
from monitor.predictions.hashing import hash_texts
from monitor.predictions.readable import is_number
from monitor.windows import derived
from monitor.windows.grid import FEWEST_ROWS, MOST_ROWS, count_on_grid, grid_of
from monitor.windows.layout import (
    MINUS_INFINITY,
    MISSING,
    NAN,
    NEW,
    RARE,
    UNREADABLE,
    Column,
    Floats,
    Kind,
)
from monitor.windows.moments import Target, add_moments
from monitor.windows.order import in_order, looks_ordered
from monitor.windows.tally import Tally, bounded

_FEW = 0.2  # below this many rows an edge, values are looked up among the edges


@dataclass(frozen=True, slots=True)
class Weights:
    """What each row counts for: a number for all of them, or one a row (shape (n,))."""

    same: float = 1.0
    each: Floats | None = None


def count_numbers(column: Column, array: pa.Array, weights: Weights, into: Target) -> None:
    """Add a column of numbers (or of one part of texts, times or vectors) to its places."""
    places = into.counts[column.span]
    if weights.each is not None:
        values, unreadable = _read(column, array)
        _count_weighted(column, values, weights.each, places)
        for place, chosen in ((MISSING, ~arrays.valid(array)), (UNREADABLE, unreadable)):
            amount = 0.0 if chosen is None else float(weights.each[chosen].sum())
            places[place] += amount
            places[NAN] -= amount
        usable = np.isfinite(values)
        add_moments(column, values[usable], 1.0, into, weights.each[usable])
        return
    found = np.zeros(column.size)
    if not column.part and pa.types.is_float64(array.type):
        _count_alike(column, arrays.known_floats(array), weights.same, found, into)
    else:
        values, unreadable = _read(column, array)
        found[UNREADABLE] = 0 if unreadable is None else int(unreadable.sum())
        found[NAN] = -array.null_count - found[UNREADABLE]  # they are read as NaN
        _count_alike(column, values, weights.same, found, into)
    found[MISSING] = array.null_count
    places += found if weights.same == 1.0 else found * weights.same


def _count_alike(column: Column, values: Floats, same: float, found: Floats, into: Target) -> None:
    """Add values to the places `found` of their column, where each counts one, and to its moments, as `same`."""
    grid = grid_of(column) if values.size >= FEWEST_ROWS and not looks_ordered(values) else None
    for some in _pieces(values, MOST_ROWS):
        rest = some if grid is None else count_on_grid(column, grid, some, same, found, into)
        if rest.size:
            finite = _count_plain(column, rest, found)
            add_moments(column, finite, same, into)


def count_labels(column: Column, array: pa.Array, weights: Weights, into: Target) -> Tally:
    """Add a column of labels to its places, and return the labels that the baseline never saw, with their counts."""
    if column.kind is Kind.IDENTIFIER:
        _count_presence(column, array, weights, into)
        return {}
    encoded = names(array)
    labels = encoded.dictionary
    slots = _slots(column, labels)
    totals: np.ndarray
    if weights.each is None:
        totals = arrays.code_counts(encoded) * weights.same
    else:
        totals = np.bincount(arrays.codes(encoded, len(labels)), weights.each, len(slots))
    places = into.counts[column.span]
    places += np.bincount(slots, weights=totals, minlength=column.size)
    unknown = np.flatnonzero((slots == NEW) & (totals > 0))
    return bounded({str(labels[int(i)].as_py()): float(totals[i]) for i in unknown})


def places_of_rows(column: Column, array: pa.Array) -> np.ndarray:
    """The place inside the column that each row is counted at, shape (n,)."""
    if not column.labelled:
        values, _ = _read(column, array)
        index = np.searchsorted(column.cuts, values, side="right")
        return np.where(index == column.cuts.size, MISSING, index + MINUS_INFINITY)
    encoded = names(array)
    slots = _slots(column, encoded.dictionary)
    return np.asarray(slots[arrays.codes(encoded, len(slots) - 1)])


def _count_presence(column: Column, array: pa.Array, weights: Weights, into: Target) -> None:
    places = into.counts[column.span]
    absent = ~arrays.valid(array)
    each = np.full(len(array), weights.same) if weights.each is None else weights.each
    places[MISSING] += each[absent].sum()
    places[RARE] += each[~absent].sum()


def _slots(column: Column, labels: pa.Array) -> np.ndarray:
    """The place of each entry of a dictionary, and at the end that of missing."""
    places = map(column.places.get, labels.to_pylist(), repeat(NEW))
    slots = np.fromiter(chain(places, (MISSING,)), np.int64, len(labels) + 1)
    open_places = np.flatnonzero(slots == NEW)
    if open_places.size and (column.known.size or column.open_ended):
        hashes = hash_texts(labels.take(arrays.places(open_places)))
        rare = _is_among(hashes, column.known) | column.open_ended
        slots[open_places[rare]] = column.size - 1
    return slots


def _is_among(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which hashes are among the sorted ones."""
    if known.size == 0:
        return np.zeros(hashes.size, bool)
    return np.asarray(known[np.minimum(np.searchsorted(known, hashes), known.size - 1)] == hashes)


def _read(column: Column, array: pa.Array) -> tuple[Floats, np.ndarray | None]:
    """Values with NaN where there is none, and which of them cannot be read (None: none): texts that are no number or
    no time, vectors of another length than the baseline's.
    """
    if column.part:
        values = derived.read(array, column.part, column.parameters)
        return values, np.isnan(values) & arrays.valid(array)
    if pa.types.is_float64(array.type):
        return arrays.floats(array), None
    kind = array.type
    if is_number(kind):
        return arrays.floats(array.cast(pa.float64(), safe=False)), None
    if not (pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_boolean(kind)):
        return np.full(len(array), np.nan), arrays.valid(array)
    read = numbers(array)
    return read.values, read.unreadable


def _pieces(values: Floats, most: int) -> Iterator[Floats]:
    return (values[start : start + most] for start in range(0, values.size, most))


def _count_plain(column: Column, values: Floats, places: Floats) -> Floats:
    """Counts of every place from NaN on (NaN still with the missing ones); returns the finite values, in order."""
    ordered = in_order(values)
    cuts = column.cuts
    if ordered.size > _FEW * cuts.size:
        below = ordered.searchsorted(cuts)
        places[MINUS_INFINITY] += below[0]
        places[MINUS_INFINITY + 1 :] += below[1:] - below[:-1]
        places[NAN] += ordered.size - below[-1]
        return ordered[below[0] : below[-2]]
    index = np.searchsorted(cuts, ordered, side="right")
    found = np.bincount(index, minlength=cuts.size + 1)
    places[MINUS_INFINITY:] += found[:-1]
    places[NAN] += found[-1]
    return ordered[found[0] : ordered.size - found[-1] - found[-2]]


def _count_weighted(column: Column, values: Floats, each: Floats, places: Floats) -> None:
    index = np.searchsorted(column.cuts, values, side="right")
    found = np.bincount(index, weights=each, minlength=column.cuts.size + 1)
    places[MINUS_INFINITY:] += found[:-1]
    places[NAN] += found[-1]
