"""Values that repeat: columns that became constant, and rows that are sent again and again, in words.

Both are found in the counts of a change alone. A column of numbers has hundreds of buckets, each of which usually holds
few of its values. If one row makes up a share of all rows, one bucket of each such column holds this share more than
usual: the same share in every column, which nothing else does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.drift.columns import (
    FIRST,
    MISSING,
    ColumnType,
    Floats,
    Integers,
    Role,
    WatchedColumn,
    WindowCounts,
    starts,
    total,
)
from monitor.visible import counted

# The largest chance, over all places of a column, that a claim is made of values that do not repeat.
CHANCE = 1e-6

LEAST_ROWS = 20

# A place is rare if at most this share of the reference is in it; a column shows rows that repeat if most of its values
# are in rare places.
RARE, RESOLVED = 0.05, 0.9

# The smallest excess of a place, as a share of all rows, and the most such places of a column: more of them are values
# that are rounded, or fewer than before.
LEAST_EXCESS, MOST_PLACES = 0.01, 5

# So many buckets on each side say how frequent the values around a bucket are now, relative to the reference: a whole
# region that is more frequent repeats no value.
NEIGHBOURS = 4

# Rows repeat if at least so many columns, and this share of those that would show it, have the same excess, up to so
# many standard deviations of the rows that are in these places anyway.
LEAST_COLUMNS, AGREEING, DEVIATIONS = 3, 0.8, 4.0


@dataclass(frozen=True, slots=True)
class Repetition:
    """What repeats, in words: `rows` (empty if none do), and `columns` by the name of a column."""

    rows: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Excess:
    """The rows that a column has more than usual in some rare places, `places`, by place: `rows` (places,), the largest
    first. `usual` is the largest number of rows that one of them would have anyway.
    """

    places: Integers
    rows: Floats
    usual: float


def repetition(
    columns: Sequence[WatchedColumn], reference: Floats, windows: Sequence[WindowCounts]
) -> Repetition:
    """What repeats in the windows of a change, the oldest first. `reference` are the usual counts, (places,)."""
    if not windows:
        return Repetition()
    bounds, now = starts(columns), total(windows)
    said: dict[str, str] = {}
    n = 0.0
    excesses: list[_Excess] = []
    for column, first, stop in zip(columns, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if column.kind is ColumnType.PRESENCE or column.relates or column.replaced:
            continue
        usual, counts = reference[first:stop], now[first:stop]
        words = _constant(column, usual, [window.kept[first:stop] for window in windows])
        excess = _excess(column, usual, counts)
        if excess is not None and column.role is Role.INPUT:
            excesses.append(excess)
            n = max(n, float(counts.sum()))
        if not words and excess is not None and len(excess.places) == 1:
            words = _one_value(column, usual, counts, int(excess.places[0]))
        if words:
            said[column.name] = words
    return Repetition(_rows(excesses, n), said)


def _constant(column: WatchedColumn, usual: Floats, windows: Sequence[np.ndarray]) -> str:
    """That the newest values are all in one regular place, if that is no chance; else empty."""
    newest = np.asarray(windows[-1][FIRST:-1])
    place, values = int(newest.argmax()) if newest.size else 0, 0.0
    for counts in reversed(windows):
        present = float(np.sum(counts[MISSING + 1 :]))
        if present and float(counts[FIRST + place]) < present:
            break
        values += present
    share = _share_of_values(usual, FIRST + place)
    if values < LEAST_ROWS or values * np.log(1 / max(share, 1e-12)) < np.log(1 / CHANCE):
        return ""
    known = f"all of the last {counted(round(values), 'value')} are {_value(column, place)} ({_percent(share)} were)"
    return f"constant, or nearly: {known}" if column.kind is ColumnType.NUMBER else f"constant: {known}"


def _one_value(column: WatchedColumn, usual: Floats, counts: Floats, place: int) -> str:
    """That one value of a column of numbers comes much more often; a label is named in any case."""
    if column.kind is not ColumnType.NUMBER:
        return ""
    share, was = _share_of_values(counts, place), _share_of_values(usual, place)
    value = _value(column, place - FIRST)
    return f"one value repeats: {_percent(share)} of the values are {value} ({_percent(was)} were)"


def _excess(column: WatchedColumn, usual: Floats, counts: Floats) -> _Excess | None:
    """The rare places that hold much more than usual; None of a column that would not show them."""
    n, reference = float(counts.sum()), float(usual.sum())
    if n < LEAST_ROWS or not reference:
        return None
    before, now = usual[FIRST:-1], counts[FIRST:-1]
    rare = before <= RARE * reference
    if before[rare].sum() < RESOLVED * (reference - usual[MISSING]):
        return None
    expected = n / reference * np.maximum(before, 1.0)
    if column.kind is ColumnType.NUMBER:
        local = before * _around(now) / np.maximum(_around(before), 1.0)
        expected, excess = np.maximum(expected, local), now - local
    else:
        excess = (now / n - before / reference) / (1 - before / reference) * n
    seen = np.maximum(now, 1.0)
    # Chernoff's bound of the chance that a Poisson number is as large.
    surprise = seen * np.log(seen / expected) - seen + expected
    found = rare & (excess >= LEAST_EXCESS * n) & (now > expected)
    places = np.flatnonzero(found & (surprise >= np.log(len(now) / CHANCE)))
    if len(places) > MOST_PLACES:
        places = places[:0]
    places = places[np.argsort(-excess[places], kind="stable")]
    return _Excess(FIRST + places, excess[places], float(expected[places].max(initial=0.0)))


def _around(counts: Floats) -> Floats:
    """The counts of the buckets beside each bucket, without its own (buckets,)."""
    window = np.ones(2 * NEIGHBOURS + 1)
    window[NEIGHBOURS] = 0.0
    return np.convolve(np.pad(counts, NEIGHBOURS), window, mode="valid")


def _rows(excesses: Sequence[_Excess], n: float) -> str:
    """That rows repeat, if nearly all columns that would show it have the same excess; else empty."""
    needed = max(LEAST_COLUMNS, AGREEING * len(excesses))
    found = [excess for excess in excesses if len(excess.places)]
    distinct = int(np.median([len(one.places) for one in found])) if found else 0
    alike = [one for one in found if len(one.places) == distinct]
    if len(alike) < needed:
        return ""
    middle = np.median([one.rows for one in alike], axis=0)
    agreeing = [
        one for one in alike if (np.abs(one.rows - middle) <= DEVIATIONS * np.sqrt(max(one.usual, 1.0))).all()
    ]
    if len(agreeing) < needed:
        return ""
    rows = "the same row" if distinct == 1 else f"the same {distinct} rows"
    return (
        f"about {_percent(min(float(middle.sum()) / n, 1.0))} of all rows look like {rows}, sent again and again: "
        f"{len(agreeing)} of the {counted(len(excesses), 'input')} with many values repeat "
        f"{'one' if distinct == 1 else 'so many'} of them in this share"
    )


def _share_of_values(counts: Floats, place: int) -> float:
    present = float(counts[MISSING + 1 :].sum())
    return float(counts[place]) / present if present else 0.0


def _value(column: WatchedColumn, place: int) -> str:
    """The label or the bucket of a regular place."""
    if column.kind is ColumnType.LABEL:
        return repr(column.labels[place]) if place < len(column.labels) else "the same"
    if place + 1 >= len(column.edges):
        return "the same"
    low, high = column.edges[place], column.edges[place + 1]
    return f"{low:.4g}" if f"{low:.4g}" == f"{high:.4g}" else f"from {low:.4g} to {high:.4g}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
