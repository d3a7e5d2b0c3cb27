"""What a worker finds is what the leader plans of; what arrived is decoded only for an alert that is diagnosed."""

from pathlib import Path

import msgspec
import pytest

from monitor.errors import WatchkeeperError
from monitor.records import Alert, Severity, State, Stream, fingerprint
from monitor.rules.engine.evaluate import Evaluation
from monitor.store import judgements
from monitor.store.db import Store
from monitor.windows.layout.from_table import BARE
from monitor.windows.profile import blank
from monitor.workers import judgement
from monitor.workers.judgement import Judgement
from tests.support import schema

FIRING, PENDING = Stream("acme", "fraud"), Stream("acme", "churn")


def found() -> Judgement:
    changed = [
        Alert(
            fingerprint("HighErrorRate", stream, ()), "HighErrorRate", Severity.CRITICAL, stream, state=state
        )
        for stream, state in ((PENDING, State.PENDING), (FIRING, State.FIRING))
    ]
    return Judgement(Evaluation(changed), {FIRING: blank(BARE), PENDING: blank(BARE)})


@pytest.fixture
def store(tmp_path: Path):
    made = schema.create(Store(f"sqlite:///{tmp_path}/found.db"))
    with made.write() as connection:
        judgement.put(connection, found(), 1.0)
    yield made
    made.close()


def test_what_arrived_comes_with_alerts_that_may_be_diagnosed(store: Store) -> None:
    with store.read() as connection:
        loaded = judgement.together([Judgement(), judgement.load(connection)])
        arrived = loaded.arrived(connection)
        assert loaded.streams == {FIRING, PENDING}
        assert set(arrived) == {FIRING}, "a diagnosis is made when an alert fires"
        assert arrived[FIRING].rows == 0
        assert arrived.get(PENDING) is None
    assert sorted(loaded.evaluation.alerts, key=lambda one: one.stream) == found().evaluation.alerts


def test_what_arrived_may_be_damaged_and_its_alert_is_planned(store: Store) -> None:
    with store.write() as connection:
        row = msgspec.msgpack.decode(judgements.load(connection)[FIRING])
        row["recent"] = b"no profile"
        judgements.put(connection, {FIRING: msgspec.msgpack.encode(row)}, 2.0)
    with store.read() as connection:
        loaded = judgement.load(connection)
        assert {alert.stream for alert in loaded.evaluation.alerts} == {FIRING, PENDING}
        with pytest.raises(WatchkeeperError):  # which `diagnosed` tells as a fault
            loaded.arrived(connection)[FIRING]
