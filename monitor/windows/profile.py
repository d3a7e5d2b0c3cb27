"""The profile of a window: counts that add, for the whole and for each version and segment.

Everything in a profile is a sum of integers (or of weights in multiples of 1/1024), a minimum or a maximum, so
merging is associative and commutative to the last bit: minutes into hours, processes into one, late rows into a
closed window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.windows import exact
from monitor.windows.layout import (
    ABOVE,
    BELOW,
    FIRST,
    FIRST_LABEL,
    MINUS_INFINITY,
    MISSING,
    NAN,
    NEW,
    PLUS_INFINITY,
    UNREADABLE,
    Column,
    Floats,
    Layout,
    LayoutMismatchError,
)
from monitor.windows.moments import WEIGHT_UNIT, carry
from monitor.windows.tally import Tally, add

SliceKey = tuple[str, str]
OVERALL: SliceKey = ("", "")
VERSION = "version"


@dataclass(frozen=True, slots=True, eq=False)
class ColumnCounts:
    """One column's counts in one slice; `counts` stand in the order that `monitor.windows.layout` describes."""

    column: Column
    counts: Floats
    sums: np.ndarray
    extremes: Floats

    @property
    def missing(self) -> float:
        """Rows without a usable value: missing, not a number, or a text where a number belongs."""
        return float(self.counts[MISSING] if self.column.labelled else self.counts[: NAN + 1].sum())

    @property
    def n(self) -> float:
        """Rows with a value."""
        return float(self.counts.sum()) - self.missing

    @property
    def rows(self) -> float:
        """All rows."""
        return float(self.counts.sum())

    @property
    def unreadable(self) -> float:
        """Texts where numbers belong, and vectors of another length."""
        return 0.0 if self.column.labelled else float(self.counts[UNREADABLE])

    @property
    def regular(self) -> Floats:
        """Counts of the buckets or labels alone, shape (buckets,)."""
        first = FIRST_LABEL if self.column.labelled else FIRST
        return self.counts[first : first + self.column.buckets]

    @property
    def below(self) -> float:
        """Values below the lowest edge, minus infinity included."""
        return float(self.counts[MINUS_INFINITY] + self.counts[BELOW])

    @property
    def above(self) -> float:
        """Values above the highest edge, plus infinity included."""
        return float(self.counts[ABOVE] + self.counts[PLUS_INFINITY])

    @property
    def new(self) -> float:
        """Rows with a label that the baseline never saw."""
        return float(self.counts[NEW]) if self.column.labelled else 0.0

    @property
    def finite(self) -> float:
        """Rows behind the moments."""
        return float(self.counts[BELOW:PLUS_INFINITY].sum())

    @property
    def mean(self) -> float | None:
        """Mean of the finite values, or None without any."""
        n = self.finite
        if self.column.labelled or n == 0:
            return None
        steps = int(self.sums[0]) * WEIGHT_UNIT / n
        return (steps + self.column.origin) * self.column.unit

    @property
    def deviation(self) -> float | None:
        """Standard deviation (divided by n) of the finite values, or None without any."""
        n = self.finite
        if self.column.labelled or n == 0:
            return None
        units = round(n / WEIGHT_UNIT)
        total, squares = int(self.sums[0]), (int(self.sums[1]) << 32) + int(self.sums[2])
        variance = (squares * units - total * total) / (units * units)
        return float(max(variance, 0.0) ** 0.5) * self.column.unit


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Slice:
    """Counts of some of a window's rows. `rows` are predictions; `weight` and `weight_squares` are of those whose
    features were kept. `kept` are the counts, float64 or, where they live long, the fewest bytes that hold them
    (places,). `sums` (moments, 3) and `extremes` (moments, 2) belong to the number columns.
    """

    layout: Layout
    rows: int
    weight: float
    weight_squares: float
    kept: np.ndarray
    sums: np.ndarray
    extremes: Floats
    totals: Mapping[str, int] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)

    @property
    def counts(self) -> Floats:
        """The counts of all places as float64, shape (places,); a copy where they are kept as something else."""
        return as_floats(self.kept)

    def column(self, name: str) -> ColumnCounts:
        """The counts of one column.

        Raises:
            KeyError: the layout has no such column, or this slice does not count it (segments count outputs only).
        """
        column = self.layout.column(name)
        if column.start + column.size > self.kept.size:
            raise KeyError(name)
        moment = column.moment
        sums = self.sums[moment] if moment >= 0 else np.zeros(3, np.int64)
        extremes = self.extremes[moment] if moment >= 0 else np.array([np.inf, -np.inf])
        return ColumnCounts(column, as_floats(self.kept[column.span]), sums, extremes)

    def has(self, name: str) -> bool:
        """Is the column counted here?"""
        column = self.layout.by_name.get(name)
        return column is not None and column.start + column.size <= self.kept.size

    def total(self, name: str) -> float:
        """A named exact sum, 0 if nothing was added to it."""
        return exact.to_float(self.totals.get(name, 0))

    def tally(self, name: str) -> Tally:
        """A named tally, empty if nothing was counted."""
        return self.tallies.get(name, {})

    def flag(self, name: str) -> float:
        """One of the plain counts, such as `errors` or `automated`."""
        return self.tallies.get("flags", {}).get(name, 0.0)

    @property
    def design(self) -> float:
        """By how much weights inflate the variance of a feature's counts: count / design rows stand behind a count."""
        return self.weight_squares / self.weight if self.weight else 1.0


def empty(layout: Layout, *, core_only: bool = False) -> Slice:
    """A slice of no rows."""
    size, moments = (layout.core, layout.core_moments) if core_only else (layout.size, layout.moments)
    extremes = np.tile(np.array([np.inf, -np.inf]), (moments, 1))
    return Slice(layout, 0, 0.0, 0.0, np.zeros(size), np.zeros((moments, 3), np.int64), extremes)


def as_floats(kept: np.ndarray) -> Floats:
    """Counts as float64, without a copy where they are that already."""
    return np.asarray(kept, np.float64)


def merge_slices(slices: Sequence[Slice]) -> Slice:
    """The sum of slices of one layout and one extent."""
    if len(slices) == 1:
        return slices[0]
    first = slices[0]
    counts, sums, extremes = first.counts.copy(), first.sums.copy(), first.extremes.copy()
    for other in slices[1:]:
        counts += other.counts
        sums = carry(sums + other.sums)
        extremes[:, 0] = np.minimum(extremes[:, 0], other.extremes[:, 0])
        extremes[:, 1] = np.maximum(extremes[:, 1], other.extremes[:, 1])
    names = dict.fromkeys(name for part in slices for name in part.totals)
    tallies = dict.fromkeys(name for part in slices for name in part.tallies)
    return Slice(
        first.layout,
        sum(part.rows for part in slices),
        sum(part.weight for part in slices),
        sum(part.weight_squares for part in slices),
        counts,
        sums,
        extremes,
        {name: sum(part.totals.get(name, 0) for part in slices) for name in names},
        {name: add(part.tally(name) for part in slices) for name in tallies},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The counts of one window. Slices are keyed (name, value): `("", "")` is the whole, `("version", "7")` a
    version, `("segments.region", "eu")` a declared segment (outputs, latency and outcomes only).
    """

    layout: Layout
    slices: Mapping[SliceKey, Slice]

    @property
    def overall(self) -> Slice:
        """All rows."""
        return self.slices[OVERALL]

    @property
    def versions(self) -> dict[str, Slice]:
        """By version of the model; rows without a version are in the whole only."""
        return {value: part for (name, value), part in self.slices.items() if name == VERSION}

    @property
    def segments(self) -> dict[SliceKey, Slice]:
        """By (segment's name, value)."""
        return {
            (name.removeprefix("segments."), value): part
            for (name, value), part in self.slices.items()
            if name.startswith("segments.")
        }

    @property
    def rows(self) -> int:
        """Predictions."""
        return self.overall.rows

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        same = self.layout.id == other.layout.id and self.slices.keys() == other.slices.keys()
        return same and all(_equal(part, other.slices[key]) for key, part in self.slices.items())

    __hash__ = None  # type: ignore[assignment]


def blank(layout: Layout) -> Profile:
    """A profile of no rows."""
    return Profile(layout, {OVERALL: empty(layout)})


def core_of(profile: Profile) -> Profile:
    """The counts of outputs, latency and outcomes alone, in arrays of their own: a fiftieth of the whole."""
    return Profile(profile.layout, {key: _core(part) for key, part in profile.slices.items()})


def _core(part: Slice) -> Slice:
    layout = part.layout
    moments = layout.core_moments
    counts, sums, extremes = part.counts[: layout.core], part.sums[:moments], part.extremes[:moments]
    return replace(part, kept=counts.copy(), sums=sums.copy(), extremes=extremes.copy())


def merge(profiles: Iterable[Profile]) -> Profile:
    """The sum of profiles of one layout.

    Raises:
        LayoutMismatchError: they are of different layouts.
        ValueError: there are none.
    """
    parts = list(profiles)
    if not parts:
        raise ValueError("nothing to merge")
    layout = parts[0].layout
    if any(part.layout.id != layout.id for part in parts):
        raise LayoutMismatchError("profiles of different layouts do not add", hint="count the rows again")
    if len(parts) == 1:
        return parts[0]
    keys = dict.fromkeys(key for part in parts for key in part.slices)
    merged = {key: merge_slices([part.slices[key] for part in parts if key in part.slices]) for key in keys}
    return Profile(layout, dict(sorted(merged.items())))


def _equal(one: Slice, other: Slice) -> bool:
    return (
        (one.rows, one.weight, one.weight_squares) == (other.rows, other.weight, other.weight_squares)
        and np.array_equal(one.counts, other.counts)
        and np.array_equal(one.sums, other.sums)
        and np.array_equal(one.extremes, other.extremes)
        and {k: v for k, v in one.totals.items() if v} == {k: v for k, v in other.totals.items() if v}
        and {k: v for k, v in one.tallies.items() if v} == {k: v for k, v in other.tallies.items() if v}
    )
