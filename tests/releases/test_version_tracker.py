"""Versions that answer, from a counted window to the store and to a change event."""

from pathlib import Path

from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Stream, Window
from monitor.releases.version_tracker import VersionTracker
from monitor.store import model_versions, outbox
from monitor.store.db import Store
from tests.support import schema

FRAUD = Stream("acme", "fraud")
FIRST, SECOND = Window(60, 120), Window(120, 180)


def test_versions_are_stored_with_their_span_and_a_new_one_is_told(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/versions.db")
    schema.create(store)
    tracker = VersionTracker(store, AlertSettings(), {"pagerduty"})
    tracker.add(FRAUD, SECOND, ["6"])
    tracker.add(FRAUD, FIRST, ["6"])
    assert tracker.store(200.0) == 0  # the first version of a model is no deployment
    tracker.add(FRAUD, SECOND, ["7"])
    assert tracker.store(200.0) == 1
    assert tracker.store(200.0) == 0
    with store.read() as connection:
        spans = [(one.version, one.first_seen, one.last_seen) for one in model_versions.of(connection, FRAUD)]
        told = outbox.waiting(connection)
    assert sorted(spans) == [("6", 60.0, 180.0), ("7", 120.0, 180.0)]
    assert [(one.channel, one.action) for one in told] == [("pagerduty", Action.CHANGE)]


def test_each_version_is_taken_once() -> None:
    tracker = VersionTracker(Store("sqlite://"), AlertSettings(), ())
    tracker.add(FRAUD, FIRST, ["6", "7"])
    assert {one.version for one in tracker.take()} == {"6", "7"}
    assert tracker.take() == []
