"""All measurements of one window as a table: names apart from numbers.

A window of fifty features has six hundred measurements, and a thousand streams have a thousand windows a minute, of
which rules read some and the store keeps the numbers. So a `Block` holds six numbers for each measurement and the
names, units and directions once, in a `Shape` that all windows of a stream share; it makes a `Measurement` when it
is asked for one.
"""

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, overload

import numpy as np

from monitor.records import Better, Labels, Measurement, Stream, Window

FIGURES = 6
VALUE, N, LOW, HIGH, P_VALUE, BASELINE = range(FIGURES)
"""The columns of a block's figures."""
_MOST_SUMS = 16

Key = tuple[str, Labels]
"""Metric and labels: what tells the measurements of a window apart."""


class Name(NamedTuple):
    """What one place of a shape is a measurement of."""

    metric: str
    labels: Labels
    unit: str
    better: Better


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shape:
    """What the places of a block are measurements of. `by_metric` says where the measurements of a metric stand."""

    names: tuple[Name, ...]
    by_metric: Mapping[str, Sequence[int]] = field(init=False, repr=False)
    _sums: "dict[Shape, Shape]" = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        places: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            places.setdefault(name.metric, []).append(place)
        object.__setattr__(self, "by_metric", places)

    def plus(self, other: "Shape") -> "Shape":
        """The places of this shape and then those of the other: the same object for the same two."""
        if other not in self._sums:
            if len(self._sums) >= _MOST_SUMS:
                self._sums.clear()
            self._sums[other] = Shape(self.names + other.names)
        return self._sums[other]


@lru_cache(maxsize=4096)
def shape_of(names: tuple[Name, ...]) -> Shape:
    """The shape with these names: the same object for the same names."""
    return Shape(names)


class Indexed(Sequence[Measurement]):
    """Measurements that can be had by their metric, without looking at the others."""

    __slots__ = ()

    @abstractmethod
    def of(self, metric: str) -> Sequence[Measurement]:
        """The measurements of one metric: one for each set of labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Block(Indexed):
    """The measurements of one window. `figures` has the shape (places, 6), NaN where there is nothing; `reasons` says
    why the value of a place is missing.
    """

    stream: Stream
    window: Window
    shape: Shape
    figures: np.ndarray
    reasons: Mapping[int, str]
    _found: dict[str, list[Measurement]] = field(init=False, repr=False, default_factory=dict)

    def __len__(self) -> int:
        return len(self.shape.names)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self.at(range(len(self))))

    @overload
    def __getitem__(self, at: int) -> Measurement: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Measurement]: ...
    def __getitem__(self, at: int | slice) -> Measurement | Sequence[Measurement]:
        places = range(len(self))[at]
        return self.at(places) if isinstance(places, range) else self.at([places])[0]

    def of(self, metric: str) -> Sequence[Measurement]:
        """The measurements of one metric, made when they are first asked for."""
        if metric not in self._found:
            self._found[metric] = self.at(self.shape.by_metric.get(metric, ()))
        return self._found[metric]

    def at(self, places: Sequence[int]) -> list[Measurement]:
        """The measurements at some places of the shape."""
        if not places:
            return []
        rows = self.figures[list(places)].tolist()
        return [self._measurement(place, row) for place, row in zip(places, rows, strict=True)]

    def _measurement(self, place: int, row: Sequence[float]) -> Measurement:
        value, n, low, high, p_value, baseline = (None if x != x else x for x in row)  # NaN: there is none
        name = self.shape.names[place]
        return Measurement(
            self.stream, self.window, name.metric, value, name.unit, name.better, n or 0, name.labels,
            low, high, p_value, baseline, self.reasons.get(place, ""),
        )  # fmt: skip


class Gathered(Indexed):
    """The measurements of several windows of a stream, one after another."""

    __slots__ = ("_found", "parts")

    def __init__(self, parts: Iterable[Sequence[Measurement]]) -> None:
        self.parts = [part for part in parts if len(part)]
        self._found: dict[str, Sequence[Measurement]] = {}

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __iter__(self) -> Iterator[Measurement]:
        return chain.from_iterable(self.parts)

    @overload
    def __getitem__(self, at: int) -> Measurement: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Measurement]: ...
    def __getitem__(self, at: int | slice) -> Measurement | Sequence[Measurement]:
        return list(self)[at]

    def of(self, metric: str) -> Sequence[Measurement]:
        """The measurements of one metric, of all windows."""
        if metric not in self._found:
            found = [some for part in self.parts if (some := _of(part, metric))]
            # One window's own list stays the same object: what was concluded from it holds.
            self._found[metric] = found[0] if len(found) == 1 else list(chain.from_iterable(found))
        return self._found[metric]


def valued(measured: Sequence[Measurement], known: Container[Key]) -> Iterator[Measurement]:
    """The measurements that have a value and are none of what is known already, by metric and labels."""
    if isinstance(measured, Gathered):
        for part in measured.parts:
            yield from valued(part, known)
    elif isinstance(measured, Block):
        with_value = np.flatnonzero(~np.isnan(measured.figures[:, VALUE])).tolist()
        names = measured.shape.names
        yield from measured.at([p for p in with_value if (names[p].metric, names[p].labels) not in known])
    else:
        yield from (m for m in measured if m.value is not None and (m.metric, m.labels) not in known)


def _of(part: Sequence[Measurement], metric: str) -> Sequence[Measurement]:
    return part.of(metric) if isinstance(part, Indexed) else [m for m in part if m.metric == metric]


def block_of(stream: Stream, window: Window, measurements: Iterable[Measurement]) -> Block:
    """Measurements of one window as a block."""
    found = list(measurements)
    names = tuple(Name(m.metric, m.labels, m.unit, m.better) for m in found)
    rows: list[tuple[Any, ...]] = [(m.value, m.n, m.low, m.high, m.p_value, m.baseline) for m in found]
    figures = np.array(rows, np.float64).reshape(-1, FIGURES)  # None becomes NaN
    reasons = {place: m.reason for place, m in enumerate(found) if m.reason}
    return Block(stream, window, shape_of(names), figures, reasons)


def joined(blocks: Sequence[Block]) -> Block:
    """The measurements of several blocks of one window as one block."""
    first, *others = blocks
    shape, reasons = first.shape, dict(first.reasons)
    for other in others:
        at = len(shape.names)
        reasons |= {at + place: reason for place, reason in other.reasons.items()}
        shape = shape.plus(other.shape)
    return Block(
        first.stream, first.window, shape, np.concatenate([block.figures for block in blocks]), reasons
    )
