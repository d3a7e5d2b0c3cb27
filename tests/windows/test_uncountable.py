"""A batch that cannot be counted stops nobody, and is not lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from monitor.records import Stream
from monitor.store import predictions, quarantine
from monitor.store.predictions import BATCHES
from tests.support.log import NOW, STREAM
from tests.support.measuring import MeasuringDaemon, measuring_daemon

OTHER = Stream("globex", "churn")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def test_a_broken_batch_is_set_aside_and_all_others_are_counted(daemon: MeasuringDaemon) -> None:
    daemon.predict(5)
    with daemon.store.write() as connection:
        connection.execute(update(BATCHES).values(blob=b"not an Arrow stream"))
    daemon.predict(7)
    daemon.predict(3, client=OTHER.client, model=OTHER.model)
    daemon.measure()
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.predict(1, client=OTHER.client, model=OTHER.model)
    readings = daemon.measure()
    assert daemon.measurement(readings, "volume").value == 7
    assert daemon.measurement(readings, "volume", stream=OTHER).value == 3
    with daemon.store.read() as connection:
        (refused,) = quarantine.summary(connection, NOW - 1, NOW + 1000)
        assert (refused.reason, refused.count) == ("uncountable", 5)
        (kept,) = quarantine.latest(connection)
        assert predictions.count_rows(connection, STREAM) == 13
    assert "could not be counted" in kept.rejected.error
