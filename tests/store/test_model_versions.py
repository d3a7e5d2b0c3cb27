"""Versions of models: known from their first window on, whatever comes in later."""

from pathlib import Path

from monitor.records import Stream
from monitor.store import model_versions
from monitor.store.db import Store
from monitor.store.model_versions import MOST, Version
from tests.support import schema

FRAUD = Stream("acme", "fraud")


def test_a_version_grows_at_both_ends_only(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    with store.write() as connection:
        model_versions.put(connection, [Version(FRAUD, "7", 600.0, 900.0), Version(FRAUD, "6", 60.0, 660.0)])
        model_versions.put(connection, [Version(FRAUD, "7", 660.0, 960.0)])
        model_versions.put(connection, [Version(FRAUD, "7", 300.0, 360.0)])
        found = model_versions.load(connection, "acme")
        assert model_versions.load(connection, "globex") == {}
    assert found == {FRAUD: [Version(FRAUD, "6", 60.0, 660.0), Version(FRAUD, "7", 300.0, 960.0)]}


def test_of_very_many_versions_the_newest_are_kept(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    other = Version(Stream("acme", "churn"), "1", 0.0, 1.0)
    many = [
        Version(FRAUD, f"made-up-{number}", 60.0 * number, 60.0 * number + 60) for number in range(MOST + 50)
    ]
    with store.write() as connection:
        model_versions.put(connection, [*many, other])
        deleted = model_versions.delete_oldest(connection)
        assert model_versions.delete_oldest(connection) == []
    assert sorted(deleted, key=lambda one: one.first_seen) == many[:50]
    with store.read() as connection:
        assert model_versions.load(connection) == {FRAUD: many[50:], other.stream: [other]}
