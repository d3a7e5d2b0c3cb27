"""Measurements that workers send to the daemon, which keeps them encoded until a page or an exporter reads them.

A thousand models have a hundred megabytes of figures each minute, of which the daemon shows few. Names are sent once,
and the figures of a window when it is measured again. Metrics of the clock are sent every ten seconds.
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
from monitor.workers.assignment import IsMine

SEND_EVERY = 10.0
"""Seconds after which an unchanged stream is sent again: its measurements include metrics of the clock."""
_AT_ONCE = 64
"""Streams in one message."""

_Key = tuple[Stream, int]
_Table = tuple[int, int, Window, np.ndarray, Mapping[int, str]]
"""Length of window in seconds, number of the names, window, figures, reasons."""


@dataclass(frozen=True, slots=True)
class SentMeasurements:
    """The measurements of a stream over windows of some `lengths` in seconds, encoded.

    `tables` are those of closed windows, None if they were sent before; `rest` are all others. `names` are the numbers
    of the names in `tables`.
    """

    stream: Stream
    lengths: tuple[int, ...]
    names: tuple[int, ...]
    tables: bytes | None
    rest: bytes


@dataclass(frozen=True, slots=True)
class SentBatch:
    """The measurements of some streams. `new_names` are names, by number, that were not sent before."""

    streams: Sequence[SentMeasurements]
    new_names: Sequence[tuple[int, tuple[MeasurementName, ...]]]


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    tables: Mapping[int, MeasurementTable]
    names: frozenset[TableSchema]

    def is_same(self, tables: Mapping[int, MeasurementTable]) -> bool:
        return self.tables.keys() == tables.keys() and all(
            self.tables[seconds] is table for seconds, table in tables.items()
        )


class MeasurementSender:
    """In a worker: sends what changed since the last time."""

    def __init__(self) -> None:
        self._sent: dict[Stream, _Sent] = {}
        self._numbers: dict[TableSchema, int] = {}
        self._uses, self._next = Counter[TableSchema](), count()

    def give_up(self, is_mine: IsMine) -> list[Stream]:
        """Forget what was sent of streams that other processes have now, and return these."""
        gone = [stream for stream in self._sent if not is_mine(stream)]
        for stream in gone:
            self._release(self._sent.pop(stream).names)
        return gone

    def changed(self, last: Mapping[_Key, Sequence[Measurement]], elapsed: float) -> Iterator[SentBatch]:
        """What has changed, or was not sent for `SEND_EVERY`, at the monotonic time `elapsed`."""
        by_stream: dict[Stream, dict[int, Sequence[Measurement]]] = {}
        for (stream, seconds), some in last.items():
            by_stream.setdefault(stream, {})[seconds] = some
        streams: list[SentMeasurements] = []
        new_names: list[tuple[int, tuple[MeasurementName, ...]]] = []
        for stream, measured in by_stream.items():
            tables = {
                seconds: table for seconds, some in measured.items() if (table := _table(seconds, some))
            }
            sent = self._sent.get(stream)
            is_same = sent is not None and sent.is_same(tables)
            if sent is not None and is_same and elapsed - sent.at < SEND_EVERY:
                continue
            new_names += self._keep(
                stream, _Sent(elapsed, tables, frozenset(t.shape for t in tables.values()))
            )
            streams.append(self._encoded(stream, measured, tables, with_tables=not is_same))
            if len(streams) == _AT_ONCE:
                yield SentBatch(streams, new_names)
                streams, new_names = [], []
        yield SentBatch(streams, new_names)

    def _encoded(
        self,
        stream: Stream,
        measured: Mapping[int, Sequence[Measurement]],
        tables: Mapping[int, MeasurementTable],
        *,
        with_tables: bool,
    ) -> SentMeasurements:
        stored: list[_Table] = [
            (seconds, self._numbers[one.shape], one.window, one.figures, one.reasons)
            for seconds, one in tables.items()
        ]
        rest = [
            (seconds, [part for part in _parts(some) if part is not tables.get(seconds)])
            for seconds, some in measured.items()
        ]
        return SentMeasurements(
            stream,
            tuple(measured),
            tuple(sorted({number for _, number, *_ in stored})),
            pickle.dumps(stored, pickle.HIGHEST_PROTOCOL) if with_tables else None,
            pickle.dumps(rest, pickle.HIGHEST_PROTOCOL),
        )

    def _keep(self, stream: Stream, sent: _Sent) -> list[tuple[int, tuple[MeasurementName, ...]]]:
        """Remember what is sent. Returns the names that were not in use."""
        new = []
        for shape in sent.names:
            self._uses[shape] += 1
            if shape not in self._numbers:
                self._numbers[shape] = next(self._next)
                new.append((self._numbers[shape], shape.names))
        before = self._sent.get(stream)
        self._sent[stream] = sent
        self._release(before.names if before is not None else ())
        return new

    def _release(self, shapes: Iterable[TableSchema]) -> None:
        for shape in shapes:
            self._uses[shape] -= 1
            if not self._uses[shape]:
                del self._uses[shape], self._numbers[shape]


@dataclass(slots=True)
class _Received:
    """The last measurements of a stream, and what of them was decoded."""

    sent: SentMeasurements
    tables: bytes
    names: Mapping[int, TableSchema]
    decoded: Mapping[int, Sequence[Measurement]] | None = None

    def measured(self) -> Mapping[int, Sequence[Measurement]]:
        """The measurements by length of window."""
        if self.decoded is None:
            stored: list[_Table] = pickle.loads(self.tables)  # noqa: S301 - from a child that was started here
            rest: list[tuple[int, list[Sequence[Measurement]]]] = pickle.loads(self.sent.rest)  # noqa: S301
            tables = {
                seconds: MeasurementTable(self.sent.stream, window, self.names[number], figures, reasons)
                for seconds, number, window, figures, reasons in stored
            }
            self.decoded = {
                seconds: ConcatenatedTables([tables.get(seconds, ()), *parts]) for seconds, parts in rest
            }
        return self.decoded


class MeasurementReceiver:
    """In the daemon: keeps what one worker sends."""

    def __init__(self) -> None:
        self._received: dict[Stream, _Received] = {}
        self._names: WeakValueDictionary[int, TableSchema] = WeakValueDictionary()

    def receive(self, some: SentBatch) -> None:
        """Keep the measurements of a batch."""
        new = {number: schema_of(names) for number, names in some.new_names}
        self._names.update(new)
        for stream in some.streams:
            tables = stream.tables if stream.tables is not None else self._received[stream.stream].tables
            names = {number: self._names[number] for number in stream.names}
            self._received[stream.stream] = _Received(stream, tables, names)

    def forget(self, streams: Iterable[Stream]) -> None:
        """Forget streams that the worker has given up."""
        for stream in streams:
            self._received.pop(stream, None)

    def received(self) -> dict[Stream, _Received]:
        """The last measurements by stream."""
        return self._received.copy()


@dataclass(frozen=True, slots=True)
class MeasuredByWorkers(Mapping[_Key, Sequence[Measurement]]):
    """The measurements by stream and length of window; those of `own` come from this process."""

    received: Mapping[Stream, _Received]
    own: Mapping[_Key, Sequence[Measurement]] = field(default_factory=dict)

    def __getitem__(self, key: _Key) -> Sequence[Measurement]:
        if key in self.own:
            return self.own[key]
        stream, seconds = key
        return self.received[stream].measured()[seconds]

    def __iter__(self) -> Iterator[_Key]:
        yield from self.own
        for stream, received in self.received.items():
            yield from (
                key for seconds in received.sent.lengths if (key := (stream, seconds)) not in self.own
            )

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _parts(some: Sequence[Measurement]) -> Sequence[Sequence[Measurement]]:
    return some.parts if isinstance(some, ConcatenatedTables) else [some]


def _table(seconds: int, some: Sequence[Measurement]) -> MeasurementTable | None:
    """The table of a closed window, without metrics of the clock."""
    first = next(iter(_parts(some)), None) if seconds != OPEN else None
    return first if isinstance(first, MeasurementTable) else None
