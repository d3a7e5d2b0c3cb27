"""Versions of models: known from their first window on, whatever comes in later."""

from pathlib import Path

from monitor.records import Stream
from monitor.store import versions
from monitor.store.db import Store, metadata
from monitor.store.versions import Version

FRAUD = Stream("acme", "fraud")


def test_a_version_grows_at_both_ends_only(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    metadata.create_all(store.engine)
    with store.write() as connection:
        versions.put(connection, [Version(FRAUD, "7", 600.0, 900.0), Version(FRAUD, "6", 60.0, 660.0)])
        versions.put(connection, [Version(FRAUD, "7", 660.0, 960.0)])
        versions.put(connection, [Version(FRAUD, "7", 300.0, 360.0)])
        found = versions.load(connection, "acme")
        assert versions.load(connection, "globex") == {}
    assert found == {FRAUD: [Version(FRAUD, "6", 60.0, 660.0), Version(FRAUD, "7", 300.0, 960.0)]}
