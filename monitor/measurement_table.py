"""All measurements of a window as one table, with the names separate from the numbers.

A window of fifty features has six hundred measurements, and a thousand streams have a thousand windows per minute, of
which rules read some and the store keeps the numbers. So a `MeasurementTable` holds six numbers per measurement, and
the names, units and directions once in a `TableSchema` that all windows of a stream share. `Measurement` objects are
created on demand.
"""

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa

from monitor.records import Better, Labels, Measurement, Stream, Window

FIGURES = 6
VALUE, N, LOW, HIGH, P_VALUE, BASELINE = range(FIGURES)
"""The columns of a table's figures."""

_CODEC = pa.Codec("zstd", compression_level=1)
Key = tuple[str, Labels]
"""Metric and labels, which identify a measurement within a window."""


class MeasurementName(NamedTuple):
    """The name of one row of a table: metric, labels, unit and better direction."""

    metric: str
    labels: Labels
    unit: str
    better: Better


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class TableSchema:
    """The names of a table's rows. `by_metric` has the places of each metric's measurements."""

    names: tuple[MeasurementName, ...]
    by_metric: Mapping[str, Sequence[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        places: dict[str, list[int]] = {}
        for place, name in enumerate(self.names):
            places.setdefault(name.metric, []).append(place)
        object.__setattr__(self, "by_metric", places)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the names; equal names give the same object in the process that reads them."""
        return schema_of, (self.names,)

    def plus(self, other: "TableSchema") -> "TableSchema":
        """The names of this schema followed by those of another; cached, so that equal arguments give
        the same object.
        """
        return _joined(self, other)


@lru_cache(maxsize=4096)
def _joined(first: TableSchema, second: TableSchema) -> TableSchema:
    return TableSchema(first.names + second.names)


@lru_cache(maxsize=4096)
def schema_of(names: tuple[MeasurementName, ...]) -> TableSchema:
    """The schema with these names; cached, so that equal names give the same object."""
    return TableSchema(names)


@dataclass(frozen=True, slots=True, eq=False)
class _PackedFigures:
    """The figures of so many `places` without those that are NaN, about half of them. `there` has a bit for each,
    `values` are the others, compressed: many are equal, such as numbers of rows.
    """

    places: int
    there: np.ndarray
    values: bytes

    @classmethod
    def of(cls, figures: np.ndarray) -> "_PackedFigures":
        """The figures, packed."""
        flat = figures.ravel()
        there = ~np.isnan(flat)
        return cls(len(figures), np.packbits(there), _CODEC.compress(flat[there].tobytes(), asbytes=True))

    def unpacked(self) -> np.ndarray:
        """The figures."""
        figures = np.full((self.places, FIGURES), np.nan)
        there = np.unpackbits(self.there, count=figures.size).view(bool)
        values = _CODEC.decompress(self.values, 8 * int(np.count_nonzero(there)), asbytes=True)
        figures.ravel()[there] = np.frombuffer(values, np.float64)
        figures.flags.writeable = False
        return figures


_unpacked = lru_cache(maxsize=16)(_PackedFigures.unpacked)
"""The figures of the windows that were looked at last: those of a model are read one after the other."""


class MeasurementSequence(Sequence[Measurement]):
    """Measurements that can be selected by metric without reading the others."""

    __slots__ = ()

    @abstractmethod
    def of(self, metric: str) -> Sequence[Measurement]:
        """The measurements of one metric: one for each set of labels."""

    @abstractmethod
    def holders(self, metric: str) -> Sequence[object]:
        """What holds the measurements of one metric: while it is the same, they are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementTable(MeasurementSequence):
    """The measurements of one window. `kept` are its figures, packed if they are kept for long; `reasons` are those of
    missing values by place.
    """

    stream: Stream
    window: Window
    shape: TableSchema
    kept: np.ndarray | _PackedFigures
    reasons: Mapping[int, str]

    @property
    def figures(self) -> np.ndarray:
        """The figures, shape (places, 6), NaN where there is no value."""
        return self.kept if isinstance(self.kept, np.ndarray) else _unpacked(self.kept)

    def packed(self) -> "MeasurementTable":
        """The same table in about a fifth of the memory."""
        return replace(self, kept=_PackedFigures.of(self.figures))

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
        """The measurements of one metric."""
        return self.at(self.shape.by_metric.get(metric, ()))

    def holders(self, metric: str) -> Sequence[object]:
        """The table itself, if it has the metric."""
        return (self,) if metric in self.shape.by_metric else ()

    def at(self, places: Sequence[int]) -> list[Measurement]:
        """The measurements at some places of the schema."""
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


class ConcatenatedTables(MeasurementSequence):
    """The measurements of several windows of a stream."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Sequence[Measurement]]) -> None:
        self.parts = [part for part in parts if len(part)]

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
        tables = [some for part in self.parts if (some := _of(part, metric))]
        return tables[0] if len(tables) == 1 else tuple(chain.from_iterable(tables))

    def holders(self, metric: str) -> Sequence[object]:
        """The tables that have the metric, and the measurements beside them."""
        holders: list[object] = []
        for part in self.parts:
            holders += part.holders(metric) if isinstance(part, MeasurementSequence) else _of(part, metric)
        return holders


def valued(measured: Sequence[Measurement], known: Container[Key]) -> Iterator[Measurement]:
    """The measurements with a value whose metric and labels are not in `known`."""
    if isinstance(measured, ConcatenatedTables):
        for part in measured.parts:
            yield from valued(part, known)
    elif isinstance(measured, MeasurementTable):
        with_value = np.flatnonzero(~np.isnan(measured.figures[:, VALUE])).tolist()
        names = measured.shape.names
        yield from measured.at([p for p in with_value if (names[p].metric, names[p].labels) not in known])
    else:
        yield from (m for m in measured if m.value is not None and (m.metric, m.labels) not in known)


def _of(part: Sequence[Measurement], metric: str) -> Sequence[Measurement]:
    return (
        part.of(metric) if isinstance(part, MeasurementSequence) else [m for m in part if m.metric == metric]
    )


def table_of(stream: Stream, window: Window, measurements: Iterable[Measurement]) -> MeasurementTable:
    """A table of measurements of one window."""
    listed = list(measurements)
    names = tuple(MeasurementName(m.metric, m.labels, m.unit, m.better) for m in listed)
    rows: list[tuple[Any, ...]] = [(m.value, m.n, m.low, m.high, m.p_value, m.baseline) for m in listed]
    figures = np.array(rows, np.float64).reshape(-1, FIGURES)  # None becomes NaN
    reasons = {place: m.reason for place, m in enumerate(listed) if m.reason}
    return MeasurementTable(stream, window, schema_of(names), figures, reasons)


def merge_tables(blocks: Sequence[MeasurementTable]) -> MeasurementTable:
    """The measurements of several tables of one window as one table."""
    first, *others = blocks
    shape, reasons = first.shape, dict(first.reasons)
    for other in others:
        at = len(shape.names)
        reasons |= {at + place: reason for place, reason in other.reasons.items()}
        shape = shape.plus(other.shape)
    return MeasurementTable(
        first.stream, first.window, shape, np.concatenate([block.figures for block in blocks]), reasons
    )
