"""What is left of a stream goes with it, once it has sent nothing for longer than anything of it is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from monitor.maintenance.retention import delete_expired, longest
from monitor.predictions.settings import PredictionSettings
from monitor.records import Stream
from monitor.store import approvals, baselines, model_versions, outcomes, releases, silent_streams, streams
from monitor.store.approvals import Approval
from monitor.store.baselines import StoredBaseline
from monitor.store.client_data import PLACES, Owner
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.outcomes import OutcomeCounts
from monitor.store.profiles import PROFILES
from monitor.store.releases import Release
from monitor.store.settings import StoreSettings
from monitor.store.tables import metadata
from monitor.windows.settings import WindowSettings
from tests.support import schema
from tests.support.log import NOW
from tests.support.postgresql import postgresql

DAY = 86_400.0
GONE, KEPT, NEWEST = Stream("acme", "gone"), Stream("acme", "kept"), Stream("bank", "newest")
SETTINGS = StoreSettings(), PredictionSettings(), WindowSettings()
AFTER = longest(*SETTINGS)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        made = Store(f"sqlite:///{tmp_path}/a.db")
        schema.create(made)
        yield made
        made.close()
        return
    with postgresql() as server:
        made = Store(server.url)
        schema.create(made)
        yield made
        made.close()


def fill(store: Store, stream: Stream, at: float) -> None:
    layout = f"l-{stream.model}"
    baseline = StoredBaseline(stream, "baseline", at, "a", None, None, layout, stream.model, b"b", b"", b"")
    with store.write() as connection:
        streams.advance(connection, stream, 5, at, at)
        baselines.put_layout(connection, layout, b"names")
        baselines.put(connection, baseline, at)
        outcomes.add(connection, stream, OutcomeCounts(1, 1, 0, 0), at)
        model_versions.put(connection, [Version(stream, "1", at, at)])
        releases.add(connection, Release(stream, "1", "d" * 64, at, at))
        approvals.add(connection, Approval(stream, "1", "team", True, "ada", at))


def left(store: Store) -> dict[str, int]:
    with store.read() as connection:
        counts = {name: connection.scalar(select(func.count()).select_from(table)) or 0
                  for name, table in metadata.tables.items()}  # fmt: skip
    return {name: count for name, count in counts.items() if count and name != "audit"}


def test_a_silent_stream_goes_with_all_that_is_left_of_it(store: Store) -> None:
    fill(store, GONE, NOW)
    fill(store, KEPT, NOW + 10 * DAY)
    with store.read() as connection:
        old = streams.find(connection, GONE)  # this process remembers it
    fill(store, NEWEST, NOW)
    before = left(store)
    assert before["layouts"] == before["versions"] == before["release_approvals"] == 3

    delete_expired(store, *SETTINGS, NOW + AFTER - 1)
    assert left(store) == before
    delete_expired(store, *SETTINGS, NOW + AFTER + 1)
    expected = {name: count - 1 for name, count in before.items()}
    assert left(store) == expected, "the newest one stays, though it is as old"
    with store.read() as connection:
        assert streams.streams(connection) == [KEPT, NEWEST]
        assert streams.find(connection, GONE) is None
        assert model_versions.load(connection).keys() == {KEPT, NEWEST}
        assert baselines.get_layout(connection, "l-gone") is None
    assert delete_expired(store, *SETTINGS, NOW + AFTER + 1) == 0

    fill(store, GONE, NOW + AFTER + 2)  # it comes back, under a number of its own
    with store.read() as connection:
        assert streams.find(connection, GONE) not in (None, old)
        in_force = baselines.in_force(connection, GONE)
        assert in_force is not None
        assert in_force.layout == "l-gone"


def test_a_stream_with_figures_or_loaded_history_stays(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    for stream in (GONE, KEPT, NEWEST):
        fill(store, stream, NOW)
    row = {"stream": 1, "seconds": 60, "start": int(NOW), "layout": "x", "rows": 1, "blob": b""}
    known = {name: row.get(name, 0) for name in map(str, PROFILES.c.keys())}
    with store.write() as connection:
        connection.execute(PROFILES.insert(), [known])
        assert silent_streams.delete_silent(connection, NOW + 1) == 1
        assert silent_streams.delete_silent(connection, NOW + 1) == 0
    with store.read() as connection:
        assert streams.streams(connection) == [GONE, NEWEST]
    store.close()


def test_a_layout_stays_that_profiles_were_counted_by_or_that_came_into_use_again(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    row = {"stream": 1, "seconds": 60, "start": int(NOW), "layout": "counted", "rows": 1, "blob": b""}
    with store.write() as connection:
        for name in ("counted", "again", "unused"):
            baselines.put_layout(connection, name, b"names")
        connection.execute(
            PROFILES.insert(), [{str(name): row.get(name, 0) for name in map(str, PROFILES.c.keys())}]
        )
    with store.read() as connection:
        unused = silent_streams.unused_layouts(connection)
    assert sorted(unused) == ["again", "unused"]
    fill(store, KEPT, NOW)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE baselines SET layout = 'again'")
        assert silent_streams.delete_layouts(connection, unused) == 1
        assert baselines.get_layout(connection, "again") is not None
        assert baselines.get_layout(connection, "unused") is None
    store.close()


def test_a_damaged_time_keeps_its_stream_and_no_other(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    for stream in (GONE, KEPT, NEWEST):
        fill(store, stream, NOW)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE streams SET last_received = 'long ago' WHERE model = 'gone'")
    delete_expired(store, *SETTINGS, NOW + AFTER + 1)
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(streams.STREAMS)) == 2
    store.close()


def test_what_the_list_says_goes_with_its_stream_does() -> None:
    named = {one.table for one in PLACES if one.kept.startswith("as long as its stream")}
    found = {one.table for one in PLACES if one.table in named and one.owner is Owner.STREAM}
    assert named - found == {"versions", "releases", "release_approvals"}
