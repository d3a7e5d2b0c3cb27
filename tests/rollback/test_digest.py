"""A drill that is due stands in the daily digest once."""

from datetime import date
from pathlib import Path

from monitor.digest import reading
from monitor.digest.schedule import Due
from monitor.health.settings import ClientSettings
from monitor.records import State, Stream
from monitor.rollback.rollback_metrics import RollbackMetrics
from monitor.rollback.settings import RollbackSettings
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.store import alerts
from monitor.store.db import Store
from tests.support import schema
from tests.support.rollback_timeline import shipped_rules

FRAUD = Stream("acme", "fraud")
NOON = 1_795_435_200.0  # Mon 23 Nov 2026, 12:00 UTC
DAY = 86_400


def test_a_drill_that_is_due_stands_in_the_digest_of_one_day(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    metrics = RollbackMetrics(store, {FRAUD: RollbackSettings(mode="dry-run")})
    for step in range(0, 2 * DAY, 7200):  # two days without any drill
        for second in (0, 10, 20, 30, 40, 50, 60, 70):
            now = NOON + step + second
            readings = Readings({(stream, OPEN): some for stream, some in metrics.measure(now).items()})
            with store.write() as connection:
                done = evaluate(shipped_rules(), readings, alerts.load(connection), now)
                alerts.put(connection, done.alerts)
                alerts.add_transitions(connection, done.transitions)
    with store.read() as connection:
        due = [one for one in alerts.load(connection).values() if one.rule == "RollbackDrillDue"]
        told = [
            reading.notes(connection, "acme", ClientSettings(), Due("daily", date(2026, 11, day), 0.0))
            for day in (23, 24, 25)
        ]
    assert [one.state for one in due] == [State.FIRING]
    assert [len(notes) for notes in told] == [0, 1, 0]
    assert "has not been tested for some time" in told[1][0]
    store.close()
