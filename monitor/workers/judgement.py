"""What was found of some streams, as it is stored until the leader plans notifications of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection

from monitor.records import Alert, Stream, Transition
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
    """An evaluation of some streams, and what arrived of them in the last seconds."""

    evaluation: Evaluation = field(default_factory=Evaluation)
    recent: Mapping[Stream, Profile] = field(default_factory=dict)
    streams: frozenset[Stream] = frozenset()


def put(connection: Connection, found: Judgement, now: float) -> None:
    """Store a judgement: a row for each stream with an alert that changed."""
    by_stream: dict[Stream, _Stored] = {}
    for alert in found.evaluation.alerts:
        by_stream.setdefault(alert.stream, _Stored()).alerts.append(alert)
    for transition in found.evaluation.transitions:
        by_stream.setdefault(transition.stream, _Stored()).transitions.append(transition)
    rows = {}
    for stream, stored in by_stream.items():
        recent = found.recent.get(stream)
        if recent is not None:
            stored = _Stored(stored.alerts, stored.transitions, recent.layout.id, codec.encode(recent))
        rows[stream] = _encoder.encode(stored)
    judgements.put(connection, rows, now)


def load(connection: Connection) -> Judgement:
    """All judgements that wait for the leader. One that is damaged is reported and left out."""
    faults, recent = faults_of(connection), dict[Stream, Profile]()
    alerts, transitions = list[Alert](), list[Transition]()
    found = judgements.load(connection)
    for stream, blob in found.items():
        with faults.isolate("judgements", str(stream), in_transaction=True):
            stored = _decoder.decode(blob)
            if stored.recent:
                layout = layout_by_id(connection, stored.layout)
                recent[stream] = codec.decode(stored.recent, layout)
            alerts += stored.alerts
            transitions += stored.transitions
    return Judgement(Evaluation(alerts, transitions), recent, frozenset(found))


def together(some: Iterable[Judgement]) -> Judgement:
    """Judgements of different streams as one."""
    alerts, transitions = list[Alert](), list[Transition]()
    recent, streams = dict[Stream, Profile](), set[Stream]()
    evaluated = errors = 0
    for one in some:
        alerts += one.evaluation.alerts
        transitions += one.evaluation.transitions
        evaluated += one.evaluation.evaluated
        errors += one.evaluation.errors
        recent |= one.recent
        streams |= one.streams
    return Judgement(Evaluation(alerts, transitions, evaluated, errors), recent, frozenset(streams))
