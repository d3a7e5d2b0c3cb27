"""One judge among several daemons, on a real PostgreSQL and on SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.maintenance.leader import LeaderLease
from monitor.store import leases
from monitor.store.db import Store
from tests.support import schema
from tests.support.postgresql import postgresql
from tests.support.waiting import until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("leases")
        yield _made(f"sqlite:///{folder}/a.db")
        return
    with postgresql() as server:
        made = _made(server.url)
        yield made
        made.close()


def _made(url: str) -> Store:
    store = Store(url)
    schema.create(store)
    return store


def test_a_lease_goes_to_one_and_to_another_when_it_has_expired(store: Store) -> None:
    with store.write() as connection:
        first = leases.acquire(connection, "one", "ann", 100, 15)
        assert first is not None
        assert leases.acquire(connection, "one", "bob", 110, 15) is None
        again = leases.acquire(connection, "one", "ann", 112, 15)
        assert again is not None
        assert again.token == first.token, "a renewal keeps its token"
        second = leases.acquire(connection, "one", "bob", 128, 15)
        assert second is not None
        assert second.token > first.token
        assert not leases.is_in_force(connection, again), "ann was paused, and is turned away"
        assert leases.is_in_force(connection, second)


def test_a_lease_that_is_given_back_is_free_at_once(store: Store) -> None:
    with store.write() as connection:
        lease = leases.acquire(connection, "two", "ann", 100, 15)
        assert lease is not None
        leases.release(connection, lease)
        assert leases.acquire(connection, "two", "bob", 101, 15) is not None


def test_a_clock_that_was_set_back_does_not_hold_a_lease_for_hours(store: Store) -> None:
    with store.write() as connection:
        leases.acquire(connection, "three", "ann", 10_000, 15)
        assert leases.acquire(connection, "three", "bob", 100, 15) is not None


def test_of_two_daemons_one_judges_and_the_paused_one_writes_nothing(tmp_path: Path) -> None:
    with postgresql() as server:
        store = _made(server.url)
        one, other = LeaderLease(store, 1.0), LeaderLease(store, 1.0)
        assert one.acquire(100)
        assert not other.acquire(10_000), "the clock of the database counts, not that of a daemon"
        until(lambda: other.acquire(100), "the first is silent for longer than its lease")
        with one.write() as connection:
            assert connection is None, "and wakes up in the middle of its tick"
        with other.write() as connection:
            assert connection is not None
        other.hand_over()
        assert one.acquire(131)
        store.close()
