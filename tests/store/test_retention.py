"""What is old is found by its key and deleted a little at a time; nothing else is."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from monitor.config.units import HOUR
from monitor.predictions.log.compaction import OLDER_HOURS, ranges_to_merge
from monitor.store import profiles
from monitor.store.db import Store
from monitor.store.profiles import PROFILES
from monitor.store.retention import delete_old, with_old
from tests.support import schema

KEYS = st.tuples(st.integers(1, 3), st.sampled_from([60, 120, 3600]), st.integers(0, 50))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for all examples; each begins with an empty table."""
    made = Store(f"sqlite:///{tmp_path_factory.mktemp('ageing')}/ageing.db")
    schema.create(made)
    yield made
    made.close()


@given(st.sets(KEYS, max_size=30), st.integers(0, 8000), st.integers(1, 5))
def test_what_ended_by_then_is_deleted_and_the_rest_is_kept(
    store: Store, keys: set[tuple[int, int, int]], before: int, most: int
) -> None:
    rows = {(stream, seconds, seconds * number) for stream, seconds, number in keys}
    names = ("stream", "seconds", "start")
    with store.write() as connection:
        connection.execute(delete(PROFILES))
        for row in rows:
            values = dict(zip(names, row, strict=True)) | {"layout": "", "rows": 0, "blob": b""}
            connection.execute(insert(PROFILES).values(values))
        old = with_old(connection, profiles.AGED, before)
        rounds = 0
        while deleted := delete_old(connection, profiles.AGED, old, before, most):
            assert deleted <= most
            rounds += 1
        left = {tuple(row) for row in connection.execute(select(*(PROFILES.c[name] for name in names)))}
    kept = {row for row in rows if row[2] + row[1] > before}
    assert left == kept
    assert old == sorted({row[:2] for row in rows - kept})
    assert rounds == -(-len(rows - kept) // most)


@given(st.floats(1.8e9, 1.9e9))
def test_within_a_day_every_window_of_a_month_is_looked_at(start: float) -> None:
    looked = sorted((one.start, one.end) for m in range(1440) for one in ranges_to_merge(start + 60 * m))
    reached = start - (OLDER_HOURS - 24) * HOUR
    for begin, end in looked:
        if end > reached:
            assert begin <= reached
            reached = end
    assert reached >= start + 1439 * 60 - 1
