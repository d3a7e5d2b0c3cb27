"""A worker reads the alerts and queued windows of its own streams: those of others are not decoded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from monitor.records import Alert, Severity, State, Stream, Window, fingerprint
from monitor.store import alerts, measurement_queue
from monitor.store.db import Store
from tests.support import schema

MINE, OTHER = Stream("acme", "fraud"), Stream("acme", "churn")
WINDOW = Window(0, 60)


def is_mine(stream: Stream) -> bool:
    return stream == MINE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = schema.create(Store(f"sqlite:///{tmp_path}/rows.db"))
    rows = [
        Alert(fingerprint("Slow", stream, ()), "Slow", Severity.INFO, stream, state=State.FIRING)
        for stream in (MINE, OTHER)
    ]
    with made.write() as connection:
        alerts.put(connection, rows)
        for stream in (MINE, OTHER):
            measurement_queue.add(connection, {stream: [WINDOW]}, 1.0)
    yield made
    made.close()


def test_the_alerts_and_queue_of_a_share_are_those_of_all_streams_without_the_others(store: Store) -> None:
    with store.read() as connection:
        everything, mine = alerts.load(connection), alerts.load(connection, is_mine)
        queued = measurement_queue.load(connection)
        assert {alert.stream for alert in everything.values()} == queued.keys() == {MINE, OTHER}
        assert mine == {key: alert for key, alert in everything.items() if is_mine(alert.stream)}
        assert measurement_queue.load(connection, is_mine) == {MINE: [WINDOW]}


def test_a_damaged_alert_concerns_only_the_worker_that_judges_its_stream(store: Store) -> None:
    with store.write() as connection:
        connection.execute(
            update(alerts.alerts).where(alerts.alerts.c.model == OTHER.model).values(alert=b"damaged")
        )
    with store.read() as connection:
        assert len(alerts.load(connection, is_mine)) == 1
        assert not store.faults.active()
        assert len(alerts.load(connection)) == 1
        assert [fault.part for fault in store.faults.active()] == ["alerts"]
