"""Columns that are derived from predicted sets of labels.

Of each frequent label, whether it is predicted; the number of labels in a set; and whether a set has another label, one
that is rare in the baseline or not there at all.
"""

from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.predictions.log import arrays
from monitor.predictions.log.item_lists import items_of, list_text
from monitor.windows.layout import edges
from monitor.windows.layout.layout import LABEL_SETS, OF_LABEL, Column, ColumnKind

MOST_WATCHED = 30
"""Labels that have a column: the most frequent ones of the baseline."""
OTHERS = f"{LABEL_SETS} others"
_LABEL, _NUMBER, _OTHERS = "label", "number", "others"
"""Parts."""
_DELIMITERS = (",", "]")


def describe(column: pa.Array) -> list[Column]:
    """The columns of the sets of labels in a baseline; none without any set."""
    sets = _Sets.of(column)
    numbers = sets.of_each(len)
    if not np.isfinite(numbers).any():
        return []
    frequent = sets.frequent()
    columns = [(LABEL_SETS, _NUMBER, (), numbers), (OTHERS, _OTHERS, frequent, sets.others(frequent))]
    columns += [(f"{OF_LABEL}{label}", _LABEL, (label,), sets.having(label)) for label in frequent]
    return [_column(*one) for one in columns]


def read(column: Column, array: pa.Array) -> np.ndarray:
    """The values of a column as float64, NaN where there is no set, shape (n,)."""
    sets = _Sets.of(array)
    if column.part == _NUMBER:
        return sets.of_each(len)
    return sets.having(column.labels[0]) if column.part == _LABEL else sets.others(column.labels)


def _column(name: str, part: str, labels: tuple[str, ...], values: np.ndarray) -> Column:
    made = edges.numbers(name, values, ColumnKind.INTEGER)
    return Column(
        name=name,
        kind=made.kind,
        bounds=made.bounds,
        labels=labels,
        cells=made.cells,
        unit=made.unit,
        origin=made.origin,
        within=made.within,
        source=LABEL_SETS,
        part=part,
    )


class _Sets:
    """Sets of labels as stored: the distinct ones, and which one each row has."""

    def __init__(self, distinct: pa.Array, places: np.ndarray) -> None:
        self._distinct, self._places = distinct, places

    @classmethod
    def of(cls, column: pa.Array) -> "_Sets":
        """The sets of a column. Values that are no sets are missing."""
        if pa.types.is_dictionary(column.type):
            encoded = column
        elif pa.types.is_string(column.type):
            encoded = column.dictionary_encode()
        else:
            return cls(pa.array([], pa.string()), np.full(len(column), -1))
        return cls(encoded.dictionary, arrays.codes(encoded, -1))

    def of_each(self, function: Callable[[list[str]], float]) -> np.ndarray:
        """A number of each row's set; NaN without a set."""
        return self._of_rows(np.array([_value(function, text) for text in self._distinct.to_pylist()]))

    def having(self, label: str) -> np.ndarray:
        """1 for each row whose set has the label, 0 for each other one; NaN without a set."""
        if label.startswith(_DELIMITERS):  # the end of another label would look like its begin
            return self.of_each(lambda items: float(label in items))
        written = list_text([label])[1:-1]
        first = pc.starts_with(self._distinct, f"[{written}")
        has = pc.or_(first, pc.match_substring(self._distinct, f",{written}"))
        values = arrays.floats(has.cast(pa.float64()))
        is_set = arrays.floats(pc.starts_with(self._distinct, "[").cast(pa.float64()))
        return self._of_rows(np.where(is_set == 1.0, values, np.nan))

    def others(self, known: tuple[str, ...]) -> np.ndarray:
        """1 for each row whose set has a label that is not among these, 0 for each other one; NaN without a set."""
        all_known = frozenset(known)
        return self.of_each(lambda items: float(not all_known.issuperset(items)))

    def frequent(self) -> tuple[str, ...]:
        """The most frequent labels, by descending frequency."""
        counts: dict[str, int] = {}
        rows = np.bincount(self._places[self._places >= 0], minlength=len(self._distinct)).tolist()
        for text, count in zip(self._distinct.to_pylist(), rows, strict=True):
            for label in _items(text) or ():
                counts[label] = counts.get(label, 0) + count
        ordered = sorted((label for label in counts if counts[label]), key=lambda one: (-counts[one], one))
        return tuple(ordered[:MOST_WATCHED])

    def _of_rows(self, of_distinct: np.ndarray) -> np.ndarray:
        return np.asarray(np.append(of_distinct.astype(np.float64), np.nan)[self._places])


def _items(text: str | None) -> list[str] | None:
    try:
        return None if text is None else items_of(text)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _value(function: Callable[[list[str]], float], text: str | None) -> float:
    items = _items(text)
    return np.nan if items is None else float(function(items))
