"""Standardized effects of a window, in units in which their sampling variance is 1/n.

A number column is scored by the first four Legendre polynomials of its mid-rank in the reference (location, spread,
skewness, tails: Neyman's smooth test) and by the shares of its deciles; a label column by the shares of its labels;
both by the share of missing values. The effect of a share is its signed root of the likelihood ratio, which stays close
to normal where the normal approximation of a share does not. All are linear functions of counts, followed by one
formula.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from monitor.drift.columns import FIRST, MISSING, OUTSIDE, ColumnType, Floats, Integers, WatchedColumn, starts

MOMENTS = 4
GROUPS = 10
LEVELS = 30
MOST_LEVELS = 60
"""Labels of a column that have a chart: 30, or more if these come as often as the 30th."""
RARE_LABELS = -2
ROUNDING = 1e-12
"""Differences of shares up to this are rounding errors."""


class Family(IntEnum):
    """Charts with similar tails."""

    LOCATION = 0
    SPREAD = 1
    SHAPE = 2
    BIN = 3
    LEVEL = 4
    MISSING = 5
    GLOBAL = 6
    RELATION = 7


# The weights of a column's charts. Those that are not listed share the rest equally.
UNSEEN_WEIGHT = 0.1
MISSING_WEIGHT = 0.1
NUMBER_WEIGHTS = (0.4, 0.15, 0.05, 0.05)

# The smallest share of unseen values that counts as usual.
LEAST_LABEL, LEAST_NUMBER = 1e-4, 1e-3


def legendre(u: Floats) -> Floats:
    """Orthonormal Legendre polynomials of degree 1 to 4 on [0, 1]: shape (4, len(u))."""
    return np.stack(
        [
            np.sqrt(3) * (2 * u - 1),
            np.sqrt(5) * (6 * u**2 - 6 * u + 1),
            np.sqrt(7) * (20 * u**3 - 30 * u**2 + 12 * u - 1),
            3 * (70 * u**4 - 140 * u**3 + 90 * u**2 - 20 * u + 1),
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The scoring of a set of columns against one reference; all charts are in one array.

    Moment charts come first, four per number column, then share charts. `column`, `family`, `weight` and `place`
    (charts,) are the column of a chart, its family, its weight within the column, and its subject (degree of the
    polynomial, decile or label; -1 is missing, -2 rare labels). `bounds` (columns + 1,) are the starts of the columns'
    counts, and their end. `lost` (charts,) is the part of a share that new labels are expected to replace: labels that
    the reference has once are rarer than it shows. `rare` are the share charts of rare labels: their spans hold all
    labels of the column, and those that have a chart of their own are taken off. `by_name`: see `build`.
    """

    columns: tuple[WatchedColumn, ...]
    bounds: Integers
    reference: Floats
    column: Integers
    family: Integers
    weight: Floats
    place: Integers
    moments: int
    polynomials: Floats
    centre: Floats
    scale: Floats
    share: Floats
    lost: Floats
    spans: Integers
    rare: Integers
    with_missing: np.ndarray
    unseen: Integers
    unseen_share: Floats
    by_name: bool

    @property
    def charts(self) -> int:
        """The number of charts."""
        return len(self.column)

    @property
    def leader(self) -> Integers:
        """The chart on which each may depend: for spread and shape the column's location, for others themselves
        (charts,).
        """
        every = np.arange(self.charts)
        led = every < self.moments
        return np.where(led, every - every % MOMENTS, every)

    @property
    def representative(self) -> np.ndarray:
        """The charts by which a column counts among all: the location of numbers that vary, and the shares of labels,
        bool (charts,).
        """
        location = (self.family == Family.LOCATION) & np.isfinite(self.scale)
        return np.asarray(location | (self.family == Family.LEVEL))

    def sums(self, counts: Floats) -> tuple[Floats, Floats]:
        """The sum of each chart and its number of rows, both (charts,). Both add over windows."""
        bounds = self.bounds
        rows = np.add.reduceat(counts, bounds[:-1])
        present = rows - counts[bounds[:-1] + MISSING]
        numbers = self.column[: self.moments : MOMENTS]
        scored = np.empty((MOMENTS, len(numbers)))
        for index, (first, stop) in enumerate(zip(bounds[numbers], bounds[numbers + 1], strict=True)):
            scored[:, index] = self.polynomials[:, first:stop] @ counts[first:stop]
        running = np.zeros(counts.size + 1)
        np.cumsum(counts, out=running[1:])
        shares = running[self.spans[:, 1]] - running[self.spans[:, 0]]
        if self.rare.size:
            column, own = self.column[self.moments :], self.place[self.moments :] >= 0
            frequent = np.bincount(column[own], shares[own], len(self.columns))
            shares[self.rare] -= frequent[column[self.rare]]
        base = np.where(self.with_missing, rows[self.column], present[self.column])
        return np.concatenate([scored.T.ravel(), shares]), base

    def unseen_counts(self, counts: Floats) -> tuple[Floats, Floats]:
        """Rows with a value outside the reference, and all rows, both (columns,)."""
        bounds = self.bounds
        rows = np.add.reduceat(counts, bounds[:-1])
        unseen = np.zeros(len(self.columns))
        np.add.at(unseen, self.unseen[:, 0], counts[self.unseen[:, 1]])
        return unseen, rows

    def expected_loss(self) -> Floats:
        """The size of the effect that new labels are expected to have on each chart (charts,)."""
        less = np.clip(self.share - self.lost, 1e-9, 1 - 1e-9)
        gain = less * np.log(less / self.share) + (1 - less) * np.log((1 - less) / (1 - self.share))
        return np.asarray(np.sqrt(2 * np.maximum(gain, 0.0)))

    def effects(self, sums: Floats, rows: Floats) -> Floats:
        """The effect of each chart (charts,); 0 without rows."""
        n = np.maximum(rows, 1e-9)
        effects = np.empty(self.charts)
        first = slice(0, self.moments)
        effects[first] = (sums[first] / n[first] - self.centre[first]) / self.scale[first]
        second = slice(self.moments, None)
        effects[second] = signed_root(sums[second] / n[second], self.share[second], n[second])
        effects[rows <= 0] = 0.0
        return effects


def signed_root(share: Floats, expected: Floats, n: Floats) -> Floats:
    """The signed root of twice the mean log likelihood ratio of a share, after moving it half a row towards the
    expected one.
    """
    beyond = np.maximum(np.abs(share - expected) - 0.5 / n, 0.0)
    # Rounding must not make a chart vary that does not: the root of what it leaves is 1e-8.
    beyond = np.sign(share - expected) * np.where(beyond > ROUNDING, beyond, 0.0)
    moved = np.clip(expected + beyond, 1e-12, 1 - 1e-12)
    gain = moved * np.log(moved / expected) + (1 - moved) * np.log((1 - moved) / (1 - expected))
    return np.asarray(np.sign(beyond) * np.sqrt(2 * np.maximum(gain, 0.0)))


def build(columns: Sequence[WatchedColumn], reference: Floats, *, by_name: bool = False) -> Scores:
    """The scoring against the counts of a whole reference. `by_name` chooses among labels that come equally often as
    earlier releases did, for what they learned.
    """
    draft = _Draft()
    bounds = starts(columns)
    polynomials = np.zeros((MOMENTS, int(bounds[-1])))
    for index, column in enumerate(columns):
        if column.kind is ColumnType.NUMBER:
            _add_moments(
                draft, index, reference[bounds[index] : bounds[index + 1]], polynomials, int(bounds[index])
            )
    moments = len(draft.column)
    for index, column in enumerate(columns):
        counts = reference[bounds[index] : bounds[index + 1]]
        _add_shares(draft, index, column, counts, int(bounds[index]), by_name=by_name)
    share = np.array(draft.share, dtype=float)
    return Scores(
        columns=tuple(columns),
        bounds=bounds,
        reference=reference,
        column=np.array(draft.column, dtype=np.int64),
        family=np.array(draft.family, dtype=np.int64),
        weight=_full(draft, len(columns)),
        place=np.array(draft.place, dtype=np.int64),
        moments=moments,
        polynomials=polynomials,
        centre=np.array(draft.centre),
        scale=np.array(draft.scale),
        share=np.clip(share, 1e-9, 1 - 1e-9),
        lost=np.array(draft.lost),
        spans=np.array(draft.spans, dtype=np.int64).reshape(-1, 2),
        rare=np.flatnonzero(np.array(draft.place[moments:], dtype=np.int64) == RARE_LABELS),
        with_missing=np.array(draft.with_missing, dtype=bool),
        unseen=np.array(draft.unseen, dtype=np.int64).reshape(-1, 2),
        unseen_share=np.array(draft.unseen_share),
        by_name=by_name,
    )


def _full(draft: "_Draft", columns: int) -> Floats:
    """Weights of a column's charts, scaled to one minus the weight of the chart of unseen values."""
    weight = np.array(draft.weight)
    total = np.bincount(draft.column, weight, columns)
    return np.asarray(weight / total[draft.column] * (1 - UNSEEN_WEIGHT))


class _Draft:
    """The charts while they are listed, column by column."""

    def __init__(self) -> None:
        self.column: list[int] = []
        self.family: list[int] = []
        self.weight: list[float] = []
        self.place: list[int] = []
        self.centre: list[float] = []
        self.scale: list[float] = []
        self.share: list[float] = []
        self.lost: list[float] = []
        self.spans: list[tuple[int, int]] = []
        self.with_missing: list[bool] = []
        self.unseen: list[tuple[int, int]] = []
        self.unseen_share: list[float] = []

    def chart(
        self, column: int, family: Family, weight: float, place: int, share: float, missing: bool
    ) -> None:
        self.column.append(column)
        self.family.append(family)
        self.weight.append(weight)
        self.place.append(place)
        self.share.append(share)
        self.lost.append(0.0)
        self.with_missing.append(missing)
        self.centre.append(0.0)
        self.scale.append(1.0)


def _add_moments(draft: _Draft, index: int, counts: Floats, polynomials: Floats, offset: int) -> None:
    values = counts[OUTSIDE:]
    total = values.sum()
    ranks = (np.cumsum(values) - values / 2) / total if total else np.full(values.shape, 0.5)
    scored = legendre(ranks)
    polynomials[:, offset + OUTSIDE : offset + counts.size] = scored
    centre = scored @ values / total if total else np.zeros(MOMENTS)
    variance = (scored - centre[:, None]) ** 2 @ values / total if total else np.zeros(MOMENTS)
    for degree in range(MOMENTS):
        family = (Family.LOCATION, Family.SPREAD, Family.SHAPE, Family.SHAPE)[degree]
        draft.chart(index, family, NUMBER_WEIGHTS[degree], degree + 1, 0.5, missing=False)
        draft.centre[-1] = float(centre[degree])
        # The ranks of a constant column do not vary: only its share charts are used.
        draft.scale[-1] = float(np.sqrt(variance[degree])) if variance[degree] > 1e-6 else np.inf


def _add_shares(
    draft: _Draft, index: int, column: WatchedColumn, counts: Floats, offset: int, *, by_name: bool
) -> None:
    rows, missing = counts.sum(), counts[MISSING]
    present = rows - missing
    spans = list(_deciles(counts)) if column.kind is ColumnType.NUMBER else []
    spans = (
        list(_levels(counts, by_name=by_name))
        if column.kind is ColumnType.LABEL and not column.replaced
        else spans
    )
    left = 1 - UNSEEN_WEIGHT - MISSING_WEIGHT
    left -= sum(NUMBER_WEIGHTS) if column.kind is ColumnType.NUMBER else 0.0
    family = Family.BIN if column.kind is ColumnType.NUMBER else Family.LEVEL
    family = Family.RELATION if column.relates else family  # says nothing about many columns at once
    own = sum(float(counts[first:stop].sum()) for place, first, stop in spans if place >= 0)
    for place, first, stop in spans:
        inside = float(counts[first:stop].sum()) - (own if place == RARE_LABELS else 0.0)
        draft.chart(
            index, family, left / len(spans), place, inside / present if present else 0.0, missing=False
        )
        draft.spans.append((offset + first, offset + stop))
        if place == RARE_LABELS:
            draft.lost[-1] = max(column.novelty - float(counts[OUTSIDE] / max(present, 1.0)), 0.0)
    draft.chart(index, Family.MISSING, MISSING_WEIGHT, -1, (missing + 0.5) / (rows + 1), missing=True)
    draft.spans.append((offset + MISSING, offset + MISSING + 1))
    has_outside = column.kind is not ColumnType.PRESENCE and not column.replaced
    places = [offset + OUTSIDE] if has_outside else []
    if column.kind is ColumnType.NUMBER:
        places.append(offset + counts.size - 1)
    in_reference = float(sum(counts[place - offset] for place in places))
    if missing == 0:
        places.append(offset + MISSING)
    draft.unseen.extend((index, place) for place in places)
    # Extreme numbers come in bursts; a new label does not appear by chance unless there are many.
    floor = LEAST_NUMBER if column.kind is ColumnType.NUMBER else LEAST_LABEL
    expected = max(in_reference, column.novelty * rows)
    deviations = 3 * np.sqrt(expected) * (column.novelty > 0)
    draft.unseen_share.append(max(float(expected + deviations + 3) / max(rows, 1.0), floor))


def _deciles(counts: Floats) -> Iterable[tuple[int, int, int]]:
    """(decile, first place, stop) of groups with nearly equal shares; repeated values give fewer groups."""
    values = counts[OUTSIDE:]
    ends = np.cumsum(values) / max(values.sum(), 1.0)
    cuts = np.unique([0, *(np.searchsorted(ends, np.arange(1, GROUPS) / GROUPS - 1e-12) + 1), values.size])
    pairs = [(int(first), int(stop)) for first, stop in itertools.pairwise(cuts)]
    if len(pairs) > 1:
        for group, (first, stop) in enumerate(pairs):
            share = values[first:stop].sum()
            if 0 < share < values.sum():
                yield group + 1, OUTSIDE + first, OUTSIDE + stop


def _levels(counts: Floats, *, by_name: bool) -> Iterable[tuple[int, int, int]]:
    """(index of the label, place, stop) of the most frequent labels; all others together are -2."""
    label_counts = counts[FIRST:-1]
    frequent = _first_by_name(label_counts) if by_name else _frequent(label_counts)
    has_rare = not by_name or np.array_equal(frequent, np.arange(len(frequent)))
    if has_rare and np.delete(counts[FIRST:], frequent).any():
        yield RARE_LABELS, FIRST, counts.size
    for index in frequent.tolist():
        if label_counts[index] < counts.sum() - counts[MISSING]:
            yield index, FIRST + index, FIRST + index + 1


def _frequent(label_counts: Floats) -> Integers:
    """The indices of the most frequent labels. Of labels that come equally often, all are chosen or none: which one
    comes first depends on their names.
    """
    ordered = np.sort(label_counts)[::-1]
    least = ordered[min(LEVELS, len(ordered)) - 1] if len(ordered) else 0.0
    chosen = (label_counts >= least) & (label_counts > 0)
    if chosen.sum() > MOST_LEVELS:
        chosen = label_counts > least
    return np.asarray(np.flatnonzero(chosen))


def _first_by_name(label_counts: Floats) -> Integers:
    first = np.argsort(-label_counts, kind="stable")[:LEVELS]
    return np.sort(first[label_counts[first] > 0])
