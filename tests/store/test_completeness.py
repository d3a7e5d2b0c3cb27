"""A past is settled once all its rows are counted, and by the present layout."""

from pathlib import Path

import pytest

from monitor.records import Stream, Window
from monitor.store import predictions, profiles, uncounted_batches
from monitor.store.completeness import is_settled
from monitor.store.db import Store
from monitor.store.predictions import NewBatch
from monitor.store.profiles import StoredProfile
from tests.support import schema

STREAM = Stream("acme", "fraud")
SPAN = Window(0, 600)


@pytest.mark.parametrize(
    ("start", "is_counted", "layout", "settled"),
    [
        (120, True, "mine", True),
        (120, False, "mine", False),
        (120, True, "another", False),
        (660, False, "another", True),
    ],
    ids=["counted", "not counted", "to be counted again", "later"],
)
def test_a_past_is_settled_when_nothing_of_it_waits(
    tmp_path: Path, start: int, is_counted: bool, layout: str, settled: bool
) -> None:
    store, window = Store(f"sqlite:///{tmp_path}/state.db"), Window(start, start + 60)
    schema.create(store)
    with store.write() as connection:
        predictions.put(connection, [NewBatch(STREAM, window, 1, start + 1.0, b"digest", b"", b"")], 0.0)
        profiles.put(connection, STREAM, [StoredProfile(window, layout, 1, b"")], 0.0)
        if is_counted:
            predictions.mark_counted(
                connection, [one.id for one in uncounted_batches.oldest(connection, STREAM).batches]
            )
        assert is_settled(connection, STREAM, 60, "mine", SPAN) is settled
    store.close()


def test_an_old_profile_whose_rows_are_gone_is_settled(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/state.db")
    schema.create(store)
    with store.write() as connection:
        profiles.put(connection, STREAM, [StoredProfile(Window(120, 180), "another", 1, b"")], 0.0)
        assert is_settled(connection, STREAM, 60, "mine", SPAN)
    store.close()
