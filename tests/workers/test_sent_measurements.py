"""The daemon receives all measurements of its worker, and each name and figure once."""

import pickle

import pytest

from monitor.measurement_table import ConcatenatedTables, MeasurementTable, table_of
from monitor.records import Measurement, Stream, Window, labels
from monitor.rules.engine.readings import OPEN
from monitor.workers.sent_measurements import (
    SEND_EVERY,
    MeasuredByWorkers,
    MeasurementReceiver,
    MeasurementSender,
)

HOUR = Window(3600, 7200)
STREAMS = [Stream("acme", f"model-{number}") for number in range(70)]


def table(stream: Stream, value: float, *names: str) -> MeasurementTable:
    return table_of(
        stream,
        HOUR,
        [
            Measurement(stream, HOUR, "psi", value, "psi", n=9, labels=labels(feature=name), reason="why")
            for name in names
        ],
    )


def measured(tables: dict[Stream, MeasurementTable], silence: float):
    found = {}
    for stream, hour in tables.items():
        clock = [Measurement(stream, HOUR, "silence", silence, "seconds")]
        found[stream, 3600] = ConcatenatedTables([hour, clock])
        found[stream, OPEN] = ConcatenatedTables([table(stream, silence, "a"), clock])
    return found


class Pair:
    def __init__(self) -> None:
        self.sender, self.receiver = MeasurementSender(), MeasurementReceiver()

    def send(self, last, elapsed: float) -> list:
        """What was sent, over a pipe."""
        sent = [pickle.loads(pickle.dumps(some)) for some in self.sender.changed(last, elapsed)]
        for some in sent:
            self.receiver.receive(some)
        return [one for some in sent for one in some.streams]

    def known(self) -> MeasuredByWorkers:
        return MeasuredByWorkers(self.receiver.received())

    def is_as(self, last) -> bool:
        known = self.known()
        return known.keys() == last.keys() and all(
            list(known[key]) == list(some) for key, some in last.items()
        )


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_daemon_knows_what_its_worker_measured(pair: Pair) -> None:
    tables = {stream: table(stream, place, "a", f"f{place % 5}") for place, stream in enumerate(STREAMS)}
    first = measured(tables, 1.0)
    assert len(pair.send(first, 0.0)) == len(STREAMS)
    assert pair.is_as(first)
    assert pair.send(measured(tables, 2.0), 1.0) == [], "only the clock went on"
    again = measured(tables, 3.0)
    assert all(one.tables is None for one in pair.send(again, SEND_EVERY)), "figures are sent once"
    assert pair.is_as(again)
    tables[STREAMS[3]] = table(STREAMS[3], 0.5, "a", "f3")
    changed = measured(tables, 3.0)
    (changed_stream,) = pair.send(changed, SEND_EVERY + 1.0)
    assert changed_stream.stream == STREAMS[3]
    assert pair.is_as(changed)


def test_names_are_sent_once_and_again_after_nobody_had_them(pair: Pair) -> None:
    one, other = STREAMS[:2]

    def new_names(tables, elapsed: float) -> int:
        sent = list(pair.sender.changed(measured(tables, elapsed), elapsed))
        for some in sent:
            pair.receiver.receive(pickle.loads(pickle.dumps(some)))
        assert pair.is_as(measured(tables, elapsed))
        return sum(len(some.new_names) for some in sent)

    assert new_names({one: table(one, 1, "a"), other: table(other, 1, "a")}, 0.0) == 1
    assert new_names({one: table(one, 2, "a"), other: table(other, 2, "b")}, 60.0) == 1
    assert new_names({one: table(one, 3, "b"), other: table(other, 3, "b")}, 120.0) == 0
    assert new_names({one: table(one, 4, "a"), other: table(other, 4, "b")}, 180.0) == 1, (
        "nobody had it meanwhile"
    )


def test_what_another_process_measures_is_forgotten_by_both(pair: Pair) -> None:
    one, other = STREAMS[:2]
    last = measured({one: table(one, 1, "a"), other: table(other, 1, "b")}, 0.0)
    pair.send(last, 0.0)
    gone = pair.sender.give_up(lambda stream: stream == one)
    assert gone == [other]
    pair.receiver.forget(gone)
    assert {stream for stream, _ in pair.known()} == {one}
    assert pair.sender.give_up(lambda stream: stream == one) == []
    pair.send(last, 1.0)
    assert pair.is_as(last)
    mine = {(one, OPEN): [Measurement(one, HOUR, "silence", 9.0, "seconds")]}
    both = MeasuredByWorkers(pair.receiver.received(), mine)
    assert len(both) == len(last)
    assert list(both[one, OPEN]) == mine[one, OPEN], "what this process measured itself is newer"
