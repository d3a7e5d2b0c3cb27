"""Whether the day or the month comes first in a column of dates such as `10/11/2026`: decided once per column."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import InputError
from monitor.times.reading import DateOrder

_DATE = r"^\s*(?:[A-Za-z]+\.?,?\s+)?(?P<first>\d{1,2})(?P<sign>[/-])(?P<other>\d{1,2})[/-]\d{4}(?:\D|$)"
_HINT = f"set --dates {DateOrder.DAY_FIRST.value} or --dates {DateOrder.MONTH_FIRST.value}"


@dataclass(frozen=True, slots=True)
class DateOrderExamples:
    """Example texts of a column that can only be read day first, only month first, or both ways; empty if there is
    none.
    """

    day_first: str = ""
    month_first: str = ""
    either: str = ""

    @property
    def is_open(self) -> bool:
        """Whether such dates occur whose values do not determine the order, or contradict each other."""
        return bool(self.either or self.day_first or self.month_first) and self.order is None

    @property
    def order(self) -> DateOrder | None:
        """The order that the values determine; None if they determine none, or contradict each other."""
        if bool(self.day_first) == bool(self.month_first):
            return None
        return DateOrder.DAY_FIRST if self.day_first else DateOrder.MONTH_FIRST

    def plus(self, other: "DateOrderExamples") -> "DateOrderExamples":
        """The combined evidence of two parts of a column."""
        return DateOrderExamples(
            self.day_first or other.day_first,
            self.month_first or other.month_first,
            self.either or other.either,
        )

    def doubt(self, column: str) -> str:
        """Why the order is unknown."""
        if self.day_first and self.month_first:
            return f"dates in {column!r} contradict each other: {self.day_first!r} and {self.month_first!r}"
        return f"dates in {column!r} may be day first or month first, such as {self.either!r}"


def evidence(column: pa.Array) -> DateOrderExamples:
    """The evidence in the values of a column; empty for columns that are not texts."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary.take(column.indices.unique().drop_null())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return DateOrderExamples()
    parts = pc.extract_regex(column, _DATE)
    if parts.null_count == len(parts):
        return DateOrderExamples()
    texts, parts = column.filter(parts.is_valid()), parts.drop_null()
    first, other = (np.asarray(pc.struct_field(parts, name).cast(pa.int64())) for name in ("first", "other"))
    is_day, is_month = (first > 12) & (other <= 12), (other > 12) & (first <= 12)
    is_either = (first <= 12) & (other <= 12) & (first != other)
    return DateOrderExamples(*(_first(texts, chosen) for chosen in (is_day, is_month, is_either)))


def decided(column: str, parts: Iterable[pa.Array], configured: DateOrder | None) -> DateOrder | None:
    """The order of a column that comes in parts: `configured`, or what its values determine; None if no date needs an
    order.

    Raises:
        InputError: the order cannot be determined.
    """
    if configured is not None:
        return configured
    combined = DateOrderExamples()
    for part in parts:
        combined = combined.plus(evidence(part))
    if combined.is_open:
        raise InputError(combined.doubt(column), hint=_HINT)
    return combined.order


def _first(texts: pa.Array, chosen: np.ndarray) -> str:
    indices = np.flatnonzero(chosen)
    return str(texts[int(indices[0])].as_py()) if len(indices) else ""
