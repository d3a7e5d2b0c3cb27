"""What was found of some streams, as it is stored until the leader plans notifications of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from monitor.records import Alert, State, Stream, Transition
from monitor.rules.engine.evaluate import Evaluation
from monitor.store import judgements
from monitor.store.db import faults_of
from monitor.windows import codec
from monitor.windows.baseline import layout_by_id
from monitor.windows.profile import Profile


@dataclass(frozen=True, slots=True)
class _Stored:
    """The changed alerts of a stream; for their diagnosis, what arrived in the last seconds, counted by `layout`."""

    alerts: list[Alert] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    layout: str = ""
    recent: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


@dataclass(frozen=True, slots=True)
class Judgement:
    """An evaluation of some streams, and what arrived of them in the last seconds: `recent`, or `stored` as it was put
    into the database.
    """

    evaluation: Evaluation = field(default_factory=Evaluation)
    recent: Mapping[Stream, Profile] = field(default_factory=dict)
    streams: frozenset[Stream] = frozenset()
    stored: Mapping[Stream, _Stored] = field(default_factory=dict)

    def arrived(self, connection: Connection) -> Mapping[Stream, Profile]:
        """What arrived in the last seconds by stream, decoded when it is asked for: few alerts are newly diagnosed."""
        return _Arrived(self.recent, self.stored, connection)


@dataclass(frozen=True, slots=True)
class _Arrived(Mapping[Stream, Profile]):
    recent: Mapping[Stream, Profile]
    stored: Mapping[Stream, _Stored]
    connection: Connection

    def __getitem__(self, stream: Stream) -> Profile:
        if stream in self.recent:
            return self.recent[stream]
        stored = self.stored[stream]
        return codec.decode(stored.recent, layout_by_id(self.connection, stored.layout))

    def __iter__(self) -> Iterator[Stream]:
        return iter(self.recent.keys() | self.stored.keys())

    def __len__(self) -> int:
        return len(self.recent.keys() | self.stored.keys())


def put(connection: Connection, judged: Judgement, now: float) -> None:
    """Store a judgement: a row for each stream with an alert that changed."""
    by_stream: dict[Stream, _Stored] = {}
    for alert in judged.evaluation.alerts:
        by_stream.setdefault(alert.stream, _Stored()).alerts.append(alert)
    for transition in judged.evaluation.transitions:
        by_stream.setdefault(transition.stream, _Stored()).transitions.append(transition)
    rows = {}
    for stream, stored in by_stream.items():
        recent = judged.recent.get(stream)
        if recent is not None and any(alert.state is State.FIRING for alert in stored.alerts):
            stored = _Stored(stored.alerts, stored.transitions, recent.layout.id, codec.encode(recent))
        rows[stream] = _encoder.encode(stored)
    judgements.put(connection, rows, now)


def load(connection: Connection) -> Judgement:
    """All judgements that wait for the leader. One that is damaged is reported and left out."""
    faults, recent = faults_of(connection), dict[Stream, _Stored]()
    alerts, transitions = list[Alert](), list[Transition]()
    streams_judged = judgements.load(connection)
    for stream, blob in streams_judged.items():
        with faults.isolate("judgements", str(stream), in_transaction=True):
            stored = _decoder.decode(blob)
            if stored.recent:
                recent[stream] = stored
            alerts += stored.alerts
            transitions += stored.transitions
    return Judgement(Evaluation(alerts, transitions), {}, frozenset(streams_judged), recent)


def together(some: Iterable[Judgement]) -> Judgement:
    """Judgements of different streams as one."""
    alerts, transitions = list[Alert](), list[Transition]()
    recent, stored, streams = dict[Stream, Profile](), dict[Stream, _Stored](), set[Stream]()
    evaluated = errors = 0
    for one in some:
        alerts += one.evaluation.alerts
        transitions += one.evaluation.transitions
        evaluated += one.evaluation.evaluated
        errors += one.evaluation.errors
        recent |= one.recent
        stored |= one.stored
        streams |= one.streams
    whole = Evaluation(alerts, transitions, evaluated, errors)
    return Judgement(whole, recent, frozenset(streams), stored)
