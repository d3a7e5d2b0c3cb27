"""The profile of a window: additive counts, for all rows and for each version and segment.

A profile consists of sums of integers (or of weights in multiples of 1/1024), minima and maxima. Merging is therefore
exactly associative and commutative: minutes into hours, several processes into one, late rows into a closed window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.windows.kernel import exact_sums
from monitor.windows.kernel.exact_sums import WEIGHT_UNIT, carry
from monitor.windows.kernel.tally import Tally, add, bounded_sums
from monitor.windows.layout import slice_limits
from monitor.windows.layout.compact_counts import Kept, narrow, plain
from monitor.windows.layout.layout import (
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
from monitor.windows.layout.slice_limits import USUAL, VERSION, SliceKey, SliceLimits

OVERALL: SliceKey = ("", "")
NOTATION = "notation:"
"""Prefix, before a column's name, of the tallies of labels that the baseline writes differently."""


@dataclass(frozen=True, slots=True, eq=False)
class ColumnCounts:
    """The counts of one column in one slice, in the order that `monitor.windows.layout.layout` describes."""

    column: Column
    counts: Floats
    sums: np.ndarray
    extremes: Floats

    @property
    def missing(self) -> float:
        """Rows without a usable value: missing, NaN, or a text in a column of numbers."""
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
        """Texts in a column of numbers, and vectors of a wrong length."""
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
        """Rows with a label that the baseline does not contain."""
        return float(self.counts[NEW]) if self.column.labelled else 0.0

    @property
    def finite(self) -> float:
        """Rows that the moments are computed from."""
        return float(self.counts[BELOW:PLUS_INFINITY].sum())

    @property
    def mean(self) -> float | None:
        """Mean of the finite values; None without any."""
        n = self.finite
        if self.column.labelled or n == 0:
            return None
        steps = int(self.sums[0]) * WEIGHT_UNIT / n
        return (steps + self.column.origin) * self.column.unit

    @property
    def deviation(self) -> float | None:
        """Standard deviation (divided by n) of the finite values; None without any."""
        n = self.finite
        if self.column.labelled or n == 0:
            return None
        units = round(n / WEIGHT_UNIT)
        total, squares = int(self.sums[0]), (int(self.sums[1]) << 32) + int(self.sums[2])
        variance = (squares * units - total * total) / (units * units)
        return float(max(variance, 0.0) ** 0.5) * self.column.unit


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Slice:
    """Counts of a subset of a window's rows.

    `rows` is the number of predictions; `weight` and `weight_squares` are sums over those whose features are stored.
    `kept` are the counts, shape (places,), as float64; narrower or packed in long-lived profiles. `sums` (moments, 3)
    and `extremes` (moments, 2) belong to the columns of numbers. `cells` are the counts of a segment's features, by
    column name: shape (coarse cells of the column,). A feature that was not counted all the time has fewer rows there.
    """

    layout: Layout
    rows: int
    weight: float
    weight_squares: float
    kept: Kept
    sums: np.ndarray
    extremes: Floats
    totals: Mapping[str, int] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    cells: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def counts(self) -> Floats:
        """The counts of all places as float64, shape (places,); a copy if they are stored in another type."""
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
        return ColumnCounts(column, as_floats(plain(self.kept)[column.span]), sums, extremes)

    def has(self, name: str) -> bool:
        """Whether the column is counted in this slice."""
        column = self.layout.by_name.get(name)
        return column is not None and column.start + column.size <= self.kept.size

    def total(self, name: str) -> float:
        """A named exact sum; 0 if there is none."""
        return exact_sums.to_float(self.totals.get(name, 0))

    def tally(self, name: str) -> Tally:
        """A named tally; empty if there is none."""
        return self.tallies.get(name, {})

    def flag(self, name: str) -> float:
        """A single count, such as `errors` or `automated`."""
        return self.tallies.get("flags", {}).get(name, 0.0)

    @property
    def design(self) -> float:
        """The design effect of the weights: by which factor they inflate the variance of a feature's counts."""
        return self.weight_squares / self.weight if self.weight else 1.0


def empty(layout: Layout, *, core_only: bool = False) -> Slice:
    """A slice without rows."""
    size, moments = (layout.core, layout.core_moments) if core_only else (layout.size, layout.moments)
    extremes = np.tile(np.array([np.inf, -np.inf]), (moments, 1))
    return Slice(layout, 0, 0.0, 0.0, np.zeros(size), np.zeros((moments, 3), np.int64), extremes)


def as_floats(kept: Kept) -> Floats:
    """Counts as float64, without a copy if they already are."""
    return np.asarray(plain(kept), np.float64)


def merge_slices(slices: Sequence[Slice]) -> Slice:
    """The sum of slices of one layout and one size."""
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
    cells = dict.fromkeys(name for part in slices for name in part.cells)
    return Slice(
        first.layout,
        sum(part.rows for part in slices),
        sum(part.weight for part in slices),
        sum(part.weight_squares for part in slices),
        counts,
        sums,
        extremes,
        bounded_sums({name: sum(part.totals.get(name, 0) for part in slices) for name in names}),
        {name: add(part.tally(name) for part in slices) for name in tallies},
        {name: np.sum([part.cells[name] for part in slices if name in part.cells], axis=0) for name in cells},
    )


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The counts of one window. Slices are keyed (name, value): `("", "")` for all rows, `("version", "7")` for a
    version, `("segments.region", "eu")` for a declared segment (outputs, latency and outcomes; some features coarsely).
    `limits` say how many values have a slice, and which do not.
    """

    layout: Layout
    slices: Mapping[SliceKey, Slice]
    limits: SliceLimits = USUAL

    @property
    def overall(self) -> Slice:
        """The slice of all rows."""
        return self.slices[OVERALL]

    @property
    def versions(self) -> dict[str, Slice]:
        """Slices by version of the model. Rows without a version are in the overall slice only."""
        return {value: part for (name, value), part in self.slices.items() if name == VERSION}

    @property
    def segments(self) -> dict[SliceKey, Slice]:
        """Slices by (segment name, value)."""
        return {
            (name.removeprefix("segments."), value): part
            for (name, value), part in self.slices.items()
            if name.startswith("segments.")
        }

    @property
    def rows(self) -> int:
        """The number of predictions."""
        return self.overall.rows

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Profile):
            return NotImplemented
        same = self.layout.id == other.layout.id and self.slices.keys() == other.slices.keys()
        same = same and self.limits == other.limits
        return same and all(_equal(part, other.slices[key]) for key, part in self.slices.items())

    __hash__ = None  # type: ignore[assignment]


def blank(layout: Layout) -> Profile:
    """A profile without rows."""
    return Profile(layout, {OVERALL: empty(layout)})


def core_of(profile: Profile) -> Profile:
    """The counts of outputs, latency and outcomes only, copied, in the smallest type: a hundredth of the size."""
    cores = {id(part): _core(part) for part in {id(one): one for one in profile.slices.values()}.values()}
    return replace(profile, slices={key: cores[id(part)] for key, part in profile.slices.items()})


def _core(part: Slice) -> Slice:
    layout = part.layout
    moments = layout.core_moments
    counts, sums, extremes = part.counts[: layout.core], part.sums[:moments], part.extremes[:moments]
    return replace(part, kept=narrow(counts).copy(), sums=sums.copy(), extremes=extremes.copy(), cells={})


def merge(profiles: Iterable[Profile]) -> Profile:
    """The sum of profiles of one layout.

    Raises:
        LayoutMismatchError: the layouts differ.
        ValueError: there are no profiles.
    """
    parts = list(profiles)
    if not parts:
        raise ValueError("nothing to merge")
    layout = parts[0].layout
    if any(part.layout.id != layout.id for part in parts):
        raise LayoutMismatchError("profiles with different layouts cannot be added", hint="recount the rows")
    if len(parts) == 1:
        return parts[0]
    limits = slice_limits.of_sum(part.limits for part in parts)
    given = dict.fromkeys(key for part in parts for key in part.slices)
    keys, limits = slice_limits.limited(given, layout, limits)
    merged: dict[SliceKey, Slice] = {}
    sums: dict[tuple[int, ...], Slice] = {}  # slices that are one object stay one: a model has one version
    for key in sorted(keys):
        slices = [part.slices[key] for part in parts if key in part.slices]
        same = tuple(map(id, slices))
        if same not in sums:
            sums[same] = merge_slices(slices)
        merged[key] = sums[same]
    return Profile(layout, merged, limits)


def subtract(whole: Profile, parts: Iterable[Profile]) -> Profile:
    """The counts of a profile without those of profiles that are in it. Minima and maxima stay those of the whole.

    Raises:
        LayoutMismatchError: the layouts differ.
        ValueError: a part is not in the whole.
    """
    for part in parts:
        if part.layout.id != whole.layout.id:
            raise LayoutMismatchError("profiles with different layouts cannot be subtracted")
        kept, _ = slice_limits.limited(
            part.slices, whole.layout, slice_limits.of_sum([whole.limits, part.limits])
        )
        if not set(kept) <= whole.slices.keys():
            raise ValueError("the profile has slices that the whole does not have")
        slices = {
            key: _without(one, part.slices[key]) if key in part.slices else one
            for key, one in whole.slices.items()
        }
        whole = replace(
            whole, slices={k: one for k, one in slices.items() if k == OVERALL or _has_counts(one)}
        )
    return whole


def _without(whole: Slice, part: Slice) -> Slice:
    counts = whole.counts - part.counts
    if part.rows > whole.rows or (counts < 0).any():
        raise ValueError("the profile has rows that the whole does not have")
    totals = {name: total - part.totals.get(name, 0) for name, total in whole.totals.items()}
    tallies = {
        name: {label: count - part.tally(name).get(label, 0.0) for label, count in tally.items()}
        for name, tally in whole.tallies.items()
    }
    return Slice(
        whole.layout,
        whole.rows - part.rows,
        whole.weight - part.weight,
        whole.weight_squares - part.weight_squares,
        counts,
        carry(whole.sums - part.sums),
        whole.extremes,
        {name: total for name, total in totals.items() if total},
        tallies,
        {
            name: cells - part.cells[name] if name in part.cells else cells
            for name, cells in whole.cells.items()
        },
    )


def _has_counts(part: Slice) -> bool:
    tallied = any(any(tally.values()) for tally in part.tallies.values())
    return bool(part.rows or part.counts.any() or tallied or any(part.totals.values()))


def _equal(one: Slice, other: Slice) -> bool:
    return (
        (one.rows, one.weight, one.weight_squares) == (other.rows, other.weight, other.weight_squares)
        and np.array_equal(one.counts, other.counts)
        and np.array_equal(one.sums, other.sums)
        and np.array_equal(one.extremes, other.extremes)
        and _with_counts(one.cells).keys() == _with_counts(other.cells).keys()
        and all(np.array_equal(counts, other.cells[name]) for name, counts in _with_counts(one.cells).items())
        and {k: v for k, v in one.totals.items() if v} == {k: v for k, v in other.totals.items() if v}
        and {k: v for k, v in one.tallies.items() if v} == {k: v for k, v in other.tallies.items() if v}
    )


def _with_counts(cells: Mapping[str, Floats]) -> dict[str, Floats]:
    return {name: counts for name, counts in cells.items() if counts.any()}
