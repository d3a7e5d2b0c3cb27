"""Counts relations of columns: the rows in which both are on the same side of their medians, and on opposite sides.
One side of a column of labels is one label, the other one all others.

Each column is compared with its median once, right after it was counted, while its values are in the processor's cache.
A row is one bit from there on, so that 50 relations of 100,000 rows are counted in a third of a millisecond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from monitor.predictions.log import arrays
from monitor.predictions.log.columns import names
from monitor.windows.kernel.count_column import Observe, Weights, places_of_rows, values_of
from monitor.windows.kernel.exact_sums import SumArrays
from monitor.windows.layout.layout import FIRST_LABEL, MISSING, NAN, Column, Floats, Layout

_WORD = 64


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _Pairs:
    """The relations of a layout: the `place` of each related column of numbers, and of each label by the column that
    is read (`labels`); the `medians` of the numbers, which come first; for each pair its two columns (`one`, `other`).
    The relations are counted in `span`, one after the other.
    """

    place: Mapping[str, int]
    labels: Mapping[str, Mapping[str, int]]
    columns: int
    medians: Floats
    one: np.ndarray
    other: np.ndarray
    span: slice


@dataclass(frozen=True, slots=True, eq=False)
class _Matrix:
    """Columns that are counted together: which `rows` of the matrix have relations, their `places` among the related
    columns, their medians, shape (rows, 1), and where values that are no numbers are counted, shape (rows, 3).
    """

    rows: np.ndarray | slice
    places: np.ndarray | slice
    medians: Floats
    absent: np.ndarray


_PAIRS: WeakKeyDictionary[Layout, _Pairs | None] = WeakKeyDictionary()
_MATRICES: WeakKeyDictionary[_Pairs, tuple[tuple[Column, ...], _Matrix]] = WeakKeyDictionary()
"""The matrix of the last batch: the next one mostly has the same columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The sides of the medians on which the values of a batch are, as one bit per row.

    `above` says whether a value is above the median, or the label, uint8 (columns, bytes). `complete` are the columns
    in which each row has a value. `known` says of some others which rows have one, bytes by column; no row of the rest
    has one.
    """

    pairs: _Pairs
    above: np.ndarray
    complete: list[int]
    known: dict[int, np.ndarray]

    def observer(self, column: Column) -> Observe | None:
        """What notes the sides of a column's values while they are counted; None if the column has no relations."""
        place = self.pairs.place.get(column.name)
        if place is None:
            return None
        bits, median = self.above[place], self.pairs.medians[place]

        def observe(at: int, values: Floats) -> None:
            above = np.packbits(values > median, bitorder="little")
            bits[at // 8 : at // 8 + above.size] = above

        return observe

    def note_known(self, column: Column, array: pa.Array, counted: SumArrays) -> None:
        """Note which rows of an observed column have a number, after it was counted."""
        place = self.pairs.place[column.name]
        missing, unreadable, nan = counted.counts[column.start : column.start + NAN + 1].tolist()
        if not (missing or unreadable or nan):
            self.complete.append(place)
        elif unreadable or nan:
            values, _ = values_of(column, array)
            self.known[place] = _packed(values == values)
        else:
            self.known[place] = arrays.valid_bits(array)

    def add_matrix(self, columns: Sequence[Column], values: Floats, counted: SumArrays) -> None:
        """Note the sides of columns whose few values were counted together, shape (columns, rows)."""
        chosen = _matrix_of(self.pairs, tuple(columns))
        values = values[chosen.rows]
        above = _packed(values > chosen.medians)
        self.above[chosen.places, : above.shape[1]] = above
        places = np.arange(len(self.above))[chosen.places].tolist()
        if not counted.counts[chosen.absent].any():
            self.complete.extend(places)
        else:
            self.known.update(zip(places, _packed(values == values), strict=True))

    def note_labels(self, layout: Layout, rows: pa.RecordBatch) -> None:
        """Note which rows have a label. A feature's labels are read as they are counted, a segment's as they are."""
        for name, places in self.pairs.labels.items():
            if name not in rows.schema.names:
                continue
            array = rows.column(name)
            column = layout.by_name.get(name)
            if column is not None:
                row_codes = places_of_rows(column, array)
                absent, codes = MISSING, column.places
            else:
                encoded = names(array)
                texts = encoded.dictionary.to_pylist()
                row_codes, absent = arrays.codes(encoded, len(texts)), len(texts)
                codes = {text: code for code, text in enumerate(texts)}
            known = (
                None
                if not array.null_count and not (row_codes == absent).any()
                else _packed(row_codes != absent)
            )
            for label, place in places.items():
                bits = _packed(row_codes == codes.get(label, -1))
                self.above[place, : bits.size] = bits
                if known is None:
                    self.complete.append(place)
                else:
                    self.known[place] = known

    def count(self, weights: Weights, rows: int, into: SumArrays) -> None:
        """Add all relations to their places. Rows without a number in one of the two columns are not counted."""
        pairs = self.pairs
        opposite = self.above[pairs.one] ^ self.above[pairs.other]
        if len(self.complete) == len(self.above):
            total: float | Floats = rows * weights.same if weights.each is None else float(weights.each.sum())
        else:
            known = self._known(rows)
            both = known[pairs.one] & known[pairs.other]
            opposite &= both
            total = _amounts(both, weights, rows)
        apart = _amounts(opposite, weights, rows)
        places = into.counts[pairs.span].reshape(len(pairs.one), -1)
        places[:, FIRST_LABEL] += total - apart
        places[:, FIRST_LABEL + 1] += apart

    def _known(self, rows: int) -> np.ndarray:
        every = np.packbits(np.arange(8 * self.above.shape[1]) < rows, bitorder="little")
        known = np.zeros_like(self.above)
        known[self.complete] = every
        for place, bits in self.known.items():
            known[place, : bits.size] = bits & every[: bits.size]
        return known


def sides_of(layout: Layout, rows: int) -> Sides | None:
    """Empty sides for a batch; None if the layout has no relations, or the batch no rows."""
    if layout not in _PAIRS:
        _PAIRS[layout] = _pairs_of(layout)
    pairs = _PAIRS[layout]
    if pairs is None or not rows:
        return None
    words = -(-rows // _WORD)
    return Sides(pairs, np.zeros((pairs.columns, words * (_WORD // 8)), np.uint8), [], {})


def _pairs_of(layout: Layout) -> _Pairs | None:
    relations = layout.relations
    if not relations:
        return None
    medians: dict[str, float] = {}
    labels: dict[str, dict[str, int]] = {}
    for relation in relations:
        medians |= zip((relation.source, relation.other), relation.edges.tolist(), strict=False)
    names_of_numbers = [column.name for column in layout.columns if column.name in medians]
    place = {name: index for index, name in enumerate(names_of_numbers)}
    count = len(place)
    for relation in relations:
        if relation.part and relation.part not in labels.setdefault(relation.other, {}):
            labels[relation.other][relation.part] = count
            count += 1
    others = [
        labels[relation.other][relation.part] if relation.part else place[relation.other]
        for relation in relations
    ]
    return _Pairs(
        place,
        labels,
        count,
        np.array([medians[name] for name in names_of_numbers]),
        np.array([place[relation.source] for relation in relations], np.int64),
        np.array(others, np.int64),
        slice(relations[0].start, relations[-1].span.stop),
    )


def _matrix_of(pairs: _Pairs, columns: tuple[Column, ...]) -> _Matrix:
    known = _MATRICES.get(pairs)
    if known is None or known[0] != columns:
        known = _MATRICES[pairs] = columns, _matrix(pairs, columns)
    return known[1]


def _matrix(pairs: _Pairs, columns: tuple[Column, ...]) -> _Matrix:
    rows = [row for row, column in enumerate(columns) if column.name in pairs.place]
    places = [pairs.place[columns[row].name] for row in rows]
    starts = np.array([columns[row].start for row in rows], np.int64)
    return _Matrix(
        slice(None) if len(rows) == len(columns) else np.array(rows, np.int64),
        slice(len(places)) if places == list(range(len(places))) else np.array(places, np.int64),
        pairs.medians[places][:, None],
        starts[:, None] + np.arange(NAN + 1),
    )


def _packed(flags: np.ndarray) -> np.ndarray:
    """Flags, one per row, as bits."""
    return np.packbits(flags, axis=-1, bitorder="little")


def _amounts(bits: np.ndarray, weights: Weights, rows: int) -> Floats:
    """The weight of the set bits of each row of the matrix; the rows of the batch are the first bits."""
    if weights.each is None:
        return np.asarray(np.bitwise_count(bits.view(np.uint64)).sum(axis=1) * weights.same)
    chosen = np.unpackbits(bits, axis=1, count=rows, bitorder="little").view(bool)
    return np.array([weights.each[one].sum() for one in chosen])
