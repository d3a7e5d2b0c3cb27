"""Streams on which drift decisions are hard: many categories, turnover of values, a season that changes, slow wander,
few rows. Window counts as in `tests.bench.streams`, with other seeds than anything is tuned on.

Windows are hourly and begin on a Monday; the first 672 are the reference, the next 1,440 (60 days) are judged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitor.drift.columns import ColumnType, WatchedColumn, WindowCounts
from monitor.drift.replaced_values import REPLACED
from monitor.records import Window
from monitor.windows.layout import new_labels
from monitor.windows.layout.edges import MOST_LABELS
from tests.bench.streams import BUCKETS, HOUR, MONDAY, REFERENCE, bucketed

JUDGED = 1440
PLAIN = 15
"""Normal columns beside the hard ones."""
VALUES = 5000
Counted = Callable[[int], np.ndarray]
Built = tuple[WatchedColumn, Counted]
Kind = Callable[["Hard"], list[Built]]
POOL = 2000
_MORNING = 6
_LABELS = (0.4, 0.25, 0.15, 0.12, 0.08)


@dataclass(frozen=True, slots=True)
class Hard:
    """One stream. `kind` is a key of KINDS, `n` the rows of a window; `drift` begins in window `begin`; `few` leaves
    most columns out.
    """

    kind: str
    n: int
    seed: int
    drift: str = ""
    begin: int = REFERENCE + 48
    few: bool = False

    def moved(self, t: int, drift: str) -> bool:
        """Is this drift on in window `t`?"""
        return self.drift == drift and t >= self.begin


def columns(spec: Hard) -> tuple[WatchedColumn, ...]:
    """The hard columns first, then the plain ones."""
    return tuple(made[0] for made in _built(spec))


def windows(spec: Hard) -> Iterator[WindowCounts]:
    """All windows, the reference first."""
    built = _built(spec)
    for t in range(REFERENCE + JUDGED):
        begin = MONDAY + t * HOUR
        counts = np.concatenate([counted(t) for _, counted in built])
        yield WindowCounts(Window(begin, begin + HOUR), counts)


def _built(spec: Hard) -> list[Built]:
    made = KINDS[spec.kind](spec)

    def plain(index: int) -> Built:
        def counted(t: int) -> np.ndarray:
            drawn = np.random.default_rng([spec.seed, 78, index, t]).standard_normal((1, spec.n))
            if index == 0 and spec.moved(t, "plain 0.5 sd"):
                drawn += 0.5
            return bucketed(drawn)[0]

        return WatchedColumn(f"plain {index}", ColumnType.NUMBER, BUCKETS), counted

    return [*made, *(plain(index) for index in range(3 if spec.few else PLAIN))]


def _labelled(name: str, drawn: Counted) -> Built:
    """A label column from a function that draws codes of a window; the layout is that of the reference's rows."""
    known = np.concatenate([drawn(t) for t in range(REFERENCE)])
    values, counts = np.unique(known, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    place = {int(values[i]): rank for rank, i in enumerate(order)}
    buckets = min(len(values), MOST_LABELS)
    size = buckets + 3
    table = np.full(int(values.max()) + 1, 1, dtype=np.int64)
    for value, rank in place.items():
        table[value] = 2 + rank if rank < buckets else size - 1
    first = np.bincount(
        np.searchsorted(values, known[: new_labels.first_part(len(known))]), minlength=len(values)
    )

    def counted(t: int) -> np.ndarray:
        codes = drawn(t)
        inside = codes < len(table)
        places = np.where(inside, table[np.minimum(codes, len(table) - 1)], 1)
        return np.bincount(places, minlength=size).astype(float)

    labels = tuple(str(values[i]) for i in order[:buckets])
    replaced = len(values) > buckets and new_labels.turnover(counts, first) > REPLACED
    watched = WatchedColumn(
        name, ColumnType.LABEL, buckets, labels=labels, novelty=new_labels.novelty(counts), replaced=replaced
    )
    return watched, counted


def _zipf(spec: Hard, exponent: float = 1.3) -> list[Built]:
    weight = 1 / np.arange(1, VALUES + 1) ** exponent
    edges = np.cumsum(weight / weight.sum())

    def column(index: int) -> Built:
        def drawn(t: int) -> np.ndarray:
            rng = np.random.default_rng([spec.seed, 1, index, t])
            codes = np.searchsorted(edges, rng.random(spec.n), side="right").clip(0, VALUES - 1)
            if index == 0 and spec.moved(t, "new value 2 %"):
                codes = np.where(rng.random(spec.n) < 0.02, VALUES, codes)
            if index == 0 and spec.moved(t, "10 points"):
                codes = np.where((codes == 0) & (rng.random(spec.n) < 0.1 / edges[0]), 1, codes)
            return codes

        return _labelled(f"zipf {index}", drawn)

    return [column(index) for index in range(1 if spec.few else 5)]


def _churn(spec: Hard) -> list[Built]:
    def drawn(t: int) -> np.ndarray:
        rng = np.random.default_rng([spec.seed, 2, t])
        member = rng.integers(0, POOL, spec.n)
        # Each place of the pool gets a new identifier every 100 days, at its own time.
        age = np.random.default_rng([spec.seed, 3]).integers(0, 2400, POOL)
        return ((t + age[member]) // 2400) * POOL + member

    return [_labelled("customer", drawn)]


def _season(size: Callable[[int, float], float]) -> Kind:
    def made(spec: Hard) -> list[Built]:
        def column(index: int) -> Built:
            rng = np.random.default_rng([spec.seed, 4, index])
            phase, other = rng.uniform(0, 2 * np.pi, 2)

            def counted(t: int) -> np.ndarray:
                amplitude = 0.3 * size(t, other)
                mean = amplitude * np.sin(2 * np.pi * t / 24 + phase)
                if index == 0 and spec.moved(t, "0.5 sd"):
                    mean += 0.5
                drawn = np.random.default_rng([spec.seed, 5, index, t]).standard_normal((1, spec.n))
                return bucketed(drawn + mean)[0]

            return WatchedColumn(f"season {index}", ColumnType.NUMBER, BUCKETS), counted

        return [column(index) for index in range(2 if spec.few else 10)]

    return made


def _wander(correlation: float, deviation: float) -> Kind:
    def made(spec: Hard) -> list[Built]:
        def column(index: int) -> Built:
            rng = np.random.default_rng([spec.seed, 6, index])
            walk = np.zeros(REFERENCE + JUDGED)
            level = rng.standard_normal()
            shocks = rng.standard_normal(len(walk)) * np.sqrt(1 - correlation**2)
            for t in range(len(walk)):
                level = correlation * level + shocks[t]
                walk[t] = level * deviation

            def counted(t: int) -> np.ndarray:
                mean = walk[t] + 0.5 * (index == 0 and spec.moved(t, "0.5 sd"))
                drawn = np.random.default_rng([spec.seed, 7, index, t]).standard_normal((1, spec.n))
                return bucketed(drawn + mean)[0]

            return WatchedColumn(f"wander {index}", ColumnType.NUMBER, BUCKETS), counted

        return [column(index) for index in range(4 if spec.few else 20)]

    return made


def _stale(spec: Hard) -> list[Built]:
    """Two numbers and a label that repeat one value from midnight to six, another one each night: all of the first
    number and of the label, and half the rows of the second number.
    """

    def held(index: int, t: int) -> np.random.Generator:
        return np.random.default_rng([spec.seed, 8, index, t // 24])

    def number(index: int) -> Built:
        def counted(t: int) -> np.ndarray:
            drawn = np.random.default_rng([spec.seed, 9, index, t]).standard_normal((1, spec.n))
            if index == 0 and spec.moved(t, "0.5 sd"):
                drawn += 0.5
            if t % 24 < _MORNING:
                drawn[:, : spec.n // (index + 1)] = held(index, t).standard_normal()
            return bucketed(drawn)[0]

        return WatchedColumn(f"stale {index}", ColumnType.NUMBER, BUCKETS), counted

    def drawn(t: int) -> np.ndarray:
        if t % 24 < _MORNING:
            return np.full(spec.n, held(2, t).choice(len(_LABELS), p=_LABELS))
        return np.random.default_rng([spec.seed, 9, 2, t]).choice(len(_LABELS), spec.n, p=_LABELS)

    return [number(0), number(1), _labelled("stale label", drawn)]


KINDS: dict[str, Kind] = {
    "zipf": _zipf,
    "zipf 1.1": lambda spec: _zipf(spec, 1.1),
    "churn": _churn,
    "amplitude": _season(lambda t, other: 1 + 0.5 * np.sin(2 * np.pi * t / (24 * 42) + other)),
    "amplitude ramp": _season(lambda t, other: 1 + 0.5 * min(max(t / 24 - 21, 0) / 28, 1.0)),
    "wander": _wander(0.98, 0.15),
    "stale": _stale,
}


def at(spec: Hard, drift: str) -> Hard:
    """The same stream with a drift."""
    return replace(spec, drift=drift)
