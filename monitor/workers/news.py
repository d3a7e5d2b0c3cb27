"""What workers measured, as the daemon keeps it: encoded until a page or an exporter asks for it.

A thousand models have a hundred megabytes of figures each minute, of which the daemon shows few. Names are told once,
and the figures of windows when these were measured again. What the clock says beside them is told more often.
"""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from weakref import WeakValueDictionary

import numpy as np

from monitor.measurement_table import (
    ConcatenatedTables,
    MeasurementName,
    MeasurementTable,
    TableSchema,
    schema_of,
)
from monitor.records import Measurement, Stream, Window
from monitor.rules.engine.readings import OPEN
from monitor.workers.share import IsMine

TOLD_EVERY = 10.0
"""Seconds after which a stream is told of again: its measurements include what the clock says."""
_AT_ONCE = 64
"""Streams in one message."""

_Key = tuple[Stream, int]
_Table = tuple[int, int, Window, np.ndarray, Mapping[int, str]]
"""Length of window in seconds, number of the names, window, figures, reasons."""


@dataclass(frozen=True, slots=True)
class News:
    """The measurements of a stream over windows of some `lengths`, encoded: `tables`, which are None if they were told
    before, and `rest`, what stands beside them. `names` are the numbers of the names in them.
    """

    stream: Stream
    lengths: tuple[int, ...]
    names: tuple[int, ...]
    tables: bytes | None
    rest: bytes


@dataclass(frozen=True, slots=True)
class NewsOfSome:
    """The news of some streams. `named` are names by number that were not told before."""

    news: Sequence[News]
    named: Sequence[tuple[int, tuple[MeasurementName, ...]]]


@dataclass(frozen=True, slots=True)
class _Told:
    at: float
    tables: Mapping[int, MeasurementTable]
    names: frozenset[TableSchema]

    def is_same(self, tables: Mapping[int, MeasurementTable]) -> bool:
        return self.tables.keys() == tables.keys() and all(
            self.tables[seconds] is table for seconds, table in tables.items()
        )


class Teller:
    """In a worker: tells what changed since the last time."""

    def __init__(self) -> None:
        self._told: dict[Stream, _Told] = {}
        self._numbers: dict[TableSchema, int] = {}
        self._uses, self._next = Counter[TableSchema](), count()

    def give_up(self, is_mine: IsMine) -> list[Stream]:
        """Forget what was told of the streams of others, and return these."""
        gone = [stream for stream in self._told if not is_mine(stream)]
        for stream in gone:
            self._release(self._told.pop(stream).names)
        return gone

    def news(self, last: Mapping[_Key, Sequence[Measurement]], elapsed: float) -> Iterator[NewsOfSome]:
        """What is new, or was not told for a while, at the monotonic time `elapsed`."""
        by_stream: dict[Stream, dict[int, Sequence[Measurement]]] = {}
        for (stream, seconds), some in last.items():
            by_stream.setdefault(stream, {})[seconds] = some
        news: list[News] = []
        named: list[tuple[int, tuple[MeasurementName, ...]]] = []
        for stream, measured in by_stream.items():
            tables = {
                seconds: table for seconds, some in measured.items() if (table := _table(seconds, some))
            }
            told = self._told.get(stream)
            is_same = told is not None and told.is_same(tables)
            if told is not None and is_same and elapsed - told.at < TOLD_EVERY:
                continue
            named += self._keep(stream, _Told(elapsed, tables, frozenset(t.shape for t in tables.values())))
            news.append(self._encoded(stream, measured, tables, with_tables=not is_same))
            if len(news) == _AT_ONCE:
                yield NewsOfSome(news, named)
                news, named = [], []
        yield NewsOfSome(news, named)

    def _encoded(
        self,
        stream: Stream,
        measured: Mapping[int, Sequence[Measurement]],
        tables: Mapping[int, MeasurementTable],
        *,
        with_tables: bool,
    ) -> News:
        stored: list[_Table] = [
            (seconds, self._numbers[one.shape], one.window, one.figures, one.reasons)
            for seconds, one in tables.items()
        ]
        rest = [
            (seconds, [part for part in _parts(some) if part is not tables.get(seconds)])
            for seconds, some in measured.items()
        ]
        return News(
            stream,
            tuple(measured),
            tuple(sorted({number for _, number, *_ in stored})),
            pickle.dumps(stored, pickle.HIGHEST_PROTOCOL) if with_tables else None,
            pickle.dumps(rest, pickle.HIGHEST_PROTOCOL),
        )

    def _keep(self, stream: Stream, told: _Told) -> list[tuple[int, tuple[MeasurementName, ...]]]:
        """Remember what is told. Returns the names that were not in use."""
        new = []
        for shape in told.names:
            self._uses[shape] += 1
            if shape not in self._numbers:
                self._numbers[shape] = next(self._next)
                new.append((self._numbers[shape], shape.names))
        before = self._told.get(stream)
        self._told[stream] = told
        self._release(before.names if before is not None else ())
        return new

    def _release(self, shapes: Iterable[TableSchema]) -> None:
        for shape in shapes:
            self._uses[shape] -= 1
            if not self._uses[shape]:
                del self._uses[shape], self._numbers[shape]


@dataclass(slots=True)
class _Heard:
    """What was told of a stream, and what of it was decoded."""

    news: News
    tables: bytes
    names: Mapping[int, TableSchema]
    found: Mapping[int, Sequence[Measurement]] | None = None

    def measured(self) -> Mapping[int, Sequence[Measurement]]:
        """The measurements by length of window."""
        if self.found is None:
            stored: list[_Table] = pickle.loads(self.tables)  # noqa: S301 - from a child that was started here
            rest: list[tuple[int, list[Sequence[Measurement]]]] = pickle.loads(self.news.rest)  # noqa: S301
            tables = {
                seconds: MeasurementTable(self.news.stream, window, self.names[number], figures, reasons)
                for seconds, number, window, figures, reasons in stored
            }
            self.found = {
                seconds: ConcatenatedTables([tables.get(seconds, ()), *parts]) for seconds, parts in rest
            }
        return self.found


class Listener:
    """In the daemon: keeps what one worker tells."""

    def __init__(self) -> None:
        self._heard: dict[Stream, _Heard] = {}
        self._names: WeakValueDictionary[int, TableSchema] = WeakValueDictionary()

    def hear(self, some: NewsOfSome) -> None:
        """Take news."""
        new = {number: schema_of(names) for number, names in some.named}
        self._names.update(new)
        for one in some.news:
            tables = one.tables if one.tables is not None else self._heard[one.stream].tables
            names = {number: self._names[number] for number in one.names}
            self._heard[one.stream] = _Heard(one, tables, names)

    def forget(self, streams: Iterable[Stream]) -> None:
        """Streams that the worker has given up."""
        for stream in streams:
            self._heard.pop(stream, None)

    def heard(self) -> dict[Stream, _Heard]:
        """What is known now, by stream."""
        return self._heard.copy()


@dataclass(frozen=True, slots=True)
class MeasuredByWorkers(Mapping[_Key, Sequence[Measurement]]):
    """The measurements by stream and length of window; those of `own` come from this process."""

    heard: Mapping[Stream, _Heard]
    own: Mapping[_Key, Sequence[Measurement]] = field(default_factory=dict)

    def __getitem__(self, key: _Key) -> Sequence[Measurement]:
        if key in self.own:
            return self.own[key]
        stream, seconds = key
        return self.heard[stream].measured()[seconds]

    def __iter__(self) -> Iterator[_Key]:
        yield from self.own
        for stream, heard in self.heard.items():
            yield from (key for seconds in heard.news.lengths if (key := (stream, seconds)) not in self.own)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _parts(some: Sequence[Measurement]) -> Sequence[Sequence[Measurement]]:
    return some.parts if isinstance(some, ConcatenatedTables) else [some]


def _table(seconds: int, some: Sequence[Measurement]) -> MeasurementTable | None:
    """What was measured of a closed window, without what the clock says."""
    first = next(iter(_parts(some)), None) if seconds != OPEN else None
    return first if isinstance(first, MeasurementTable) else None
