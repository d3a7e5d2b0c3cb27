"""Streams to judge drift decisions on, as window counts: with and without season, wander, heavy tails and drift.

Seven tenths of the columns are standard normal, two tenths have eight categories, one tenth are missing in 2 %.
One hidden value a column and window moves a normal column's mean and a category's or missing value's log-odds. Windows
are hourly and begin on a Monday. The first 672 are the reference.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from monitor.drift.columns import ColumnType, WatchedColumn, WindowCounts
from monitor.records import Window

HOUR, MONDAY = 3600, 1_735_516_800
REFERENCE = 672
BUCKETS = 200
SHARES = np.array([0.35, 0.22, 0.15, 0.10, 0.08, 0.05, 0.03, 0.02])
TILT = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
ABSENT = 0.02
SHIFTS = {f"{size:g} sd": size for size in (0.02, 0.05, 0.08, 0.1, 0.12, 0.2, 0.5)}
KINDS = ("iid", "over", "daily", "all")
DRIFTS = (
    "0.1 sd",
    "0.2 sd",
    "0.5 sd",
    "sd x1.3",
    "5 % sentinel",
    "ramp to 0.5 sd",
    "category 5 points",
    "new category 2 %",
    "missing 2 -> 5 %",
)


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of one column from window `begin` on."""

    name: str
    begin: int


@dataclass(frozen=True, slots=True)
class Spec:
    """One stream: `kind` is one of KINDS, `n` the rows of a typical window."""

    kind: str
    n: int
    columns: int
    seed: int
    windows: int = 3000
    drift: Drift | None = None

    @property
    def split(self) -> tuple[int, int, int]:
        """How many normal, category and missing-rate columns."""
        categories, absent = self.columns * 2 // 10, self.columns // 10
        return self.columns - categories - absent, categories, absent


def columns(spec: Spec) -> tuple[WatchedColumn, ...]:
    """The columns' description."""
    numbers, categories, absent = spec.split
    return (
        *(WatchedColumn(f"number {i}", ColumnType.NUMBER, BUCKETS) for i in range(numbers)),
        *(
            WatchedColumn(f"category {i}", ColumnType.LABEL, len(SHARES), labels=tuple("abcdefgh"))
            for i in range(categories)
        ),
        *(WatchedColumn(f"absent {i}", ColumnType.LABEL, 1, labels=("present",)) for i in range(absent)),
    )


def moved_column(spec: Spec) -> int:
    """Which column a drift moves."""
    numbers, categories, _ = spec.split
    name = spec.drift.name if spec.drift else ""
    return numbers if "category" in name else numbers + categories if "missing" in name else 0


def hidden(spec: Spec, rng: np.random.Generator) -> np.ndarray:
    """The hidden value of each window and column: (windows, columns)."""
    total = REFERENCE + spec.windows
    value = np.zeros((total, spec.columns))
    if spec.kind in ("over", "all"):
        shocks = rng.standard_normal((total, spec.columns))
        if spec.kind == "all":
            shocks = rng.standard_t(4, (total, spec.columns)) / np.sqrt(2)
        walk = rng.standard_normal(spec.columns)
        for t in range(total):
            walk = 0.8 * walk + 0.6 * shocks[t]
            value[t] += 0.05 * walk
    if spec.kind in ("daily", "all"):
        hour = np.arange(total)[:, None]
        weekend = (hour // 24) % 7 >= 5
        size = rng.choice([0.1, 0.3], spec.columns)
        phase = rng.uniform(0, 2 * np.pi, spec.columns)
        shift = rng.choice([-0.2, 0.0, 0.2], spec.columns)
        value += size * np.sin(2 * np.pi * hour / 24 + phase) * np.where(weekend, 0.6, 1.0) + shift * weekend
    return value


def rows_of(spec: Spec, t: int) -> int:
    """Rows of window `t`."""
    return round(spec.n * (1 + 0.6 * np.sin(2 * np.pi * t / 24))) if spec.kind in ("daily", "all") else spec.n


def starts_of(spec: Spec) -> np.ndarray:
    """Where each column begins in the counts, and their end."""
    return np.concatenate([[0], np.cumsum([column.size for column in columns(spec)])])


def windows(spec: Spec, first: int = 0, only: int | None = None) -> Iterator[WindowCounts]:
    """The stream from window `first` on, one window after another; the reference is windows 0 to 671.

    Each window has its own random numbers, so that it is the same wherever the reading begins. With `only`, just
    that column, the first of its kind, is drawn, and the others are empty.
    """
    value = hidden(spec, np.random.default_rng(identity(spec)))
    for t in range(first, len(value)):
        yield window_at(spec, value[t], t) if only is None else lone_window(spec, value[t], t, only)


def lone_window(spec: Spec, value: np.ndarray, t: int, column: int) -> WindowCounts:
    """Window `t` with the rows of one column, the first of its kind, alone."""
    rng = np.random.default_rng([*identity(spec), t])
    numbers, categories, _ = spec.split
    kind = _numbers if column < numbers else _categories if column < numbers + categories else _absent
    counts = np.zeros(starts_of(spec)[-1])
    place = starts_of(spec)[column]
    drawn = kind(spec, rng, value[column : column + 1], rows_of(spec, t), t).ravel()
    counts[place : place + len(drawn)] = drawn
    return WindowCounts(Window(MONDAY + t * HOUR, MONDAY + (t + 1) * HOUR), counts)


def identity(spec: Spec) -> list[int]:
    """What the random numbers of a stream are seeded with."""
    return [spec.seed, KINDS.index(spec.kind), spec.n, spec.columns]


def window_at(spec: Spec, value: np.ndarray, t: int) -> WindowCounts:
    """Window `t`, whose hidden values are `value` (columns,)."""
    rng = np.random.default_rng([*identity(spec), t])
    numbers, categories, _ = spec.split
    n = rows_of(spec, t)
    parts = [
        _numbers(spec, rng, value[:numbers], n, t),
        _categories(spec, rng, value[numbers : numbers + categories], n, t),
        _absent(spec, rng, value[numbers + categories :], n, t),
    ]
    begin = MONDAY + t * HOUR
    return WindowCounts(Window(begin, begin + HOUR), np.concatenate([part.ravel() for part in parts]))


def strength(spec: Spec, t: int, name: str) -> bool:
    """Is the drift of this name on at window `t`?"""
    return spec.drift is not None and spec.drift.name == name and t >= spec.drift.begin


def values(spec: Spec, rng: np.random.Generator, mean: np.ndarray, n: int, t: int) -> np.ndarray:
    """Rows of the normal columns: (columns, n)."""
    drawn = rng.standard_normal((len(mean), n), dtype=np.float32)
    if strength(spec, t, "sd x1.3"):
        drawn[0] *= 1.3
    drawn += mean.astype(np.float32)[:, None]
    for name, size in SHIFTS.items():
        if strength(spec, t, name):
            drawn[0] += size
    if strength(spec, t, "ramp to 0.5 sd") and spec.drift:
        drawn[0] += 0.5 * min((t - spec.drift.begin) / 168, 1.0)
    if strength(spec, t, "5 % sentinel"):
        drawn[0, rng.random(n) < 0.05] = 0.0
    return drawn


_STEPS, _REACH = 1024, 8
_PLACE = (
    np.minimum(ndtr(np.arange(-_REACH * _STEPS, _REACH * _STEPS) / _STEPS) * BUCKETS, BUCKETS - 1).astype(
        np.intp
    )
    + 2
)


def bucketed(drawn: np.ndarray) -> np.ndarray:
    """Counts of rows (columns, n) in the places of a number column: (columns, BUCKETS + 3)."""
    size = BUCKETS + 3
    steps = (
        np.clip(drawn * _STEPS, 1 - _REACH * _STEPS, _REACH * _STEPS - 1).astype(np.int32) + _REACH * _STEPS
    )
    place = _PLACE[steps] + np.arange(len(drawn))[:, None] * size
    return np.bincount(place.ravel(), minlength=len(drawn) * size).reshape(len(drawn), size).astype(float)


def _numbers(spec: Spec, rng: np.random.Generator, mean: np.ndarray, n: int, t: int) -> np.ndarray:
    return bucketed(values(spec, rng, mean, n, t))


def shares_of(spec: Spec, value: np.ndarray, t: int) -> np.ndarray:
    """Shares of the never-seen category (first) and the eight known ones: (columns, 9)."""
    odds = SHARES * np.exp(value[:, None] * TILT)
    shares = np.concatenate([np.zeros((len(value), 1)), odds / odds.sum(axis=1, keepdims=True)], axis=1)
    if strength(spec, t, "category 5 points"):
        shares[0, 1] -= 0.05
        shares[0, 2] += 0.05
    if strength(spec, t, "new category 2 %"):
        shares[0] *= 0.98
        shares[0, 0] = 0.02
    return shares


def _categories(spec: Spec, rng: np.random.Generator, value: np.ndarray, n: int, t: int) -> np.ndarray:
    counts = np.zeros((len(value), len(SHARES) + 3))
    if len(value):
        counts[:, 1:-1] = rng.multinomial(n, shares_of(spec, value, t))
    return counts


def absent_share(spec: Spec, value: np.ndarray, t: int) -> np.ndarray:
    """Share of missing values of each missing-rate column."""
    base = np.full(len(value), ABSENT)
    if strength(spec, t, "missing 2 -> 5 %"):
        base[0] = 0.05
    odds = base / (1 - base) * np.exp(value)
    return np.asarray(odds / (1 + odds))


def _absent(spec: Spec, rng: np.random.Generator, value: np.ndarray, n: int, t: int) -> np.ndarray:
    counts = np.zeros((len(value), 4))
    counts[:, 0] = rng.binomial(n, absent_share(spec, value, t))
    counts[:, 2] = n - counts[:, 0]
    return counts
