"""Days, sessions, audit, digests and versions: the same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import date

import pytest

from monitor.records import Stream
from monitor.store import audit, days, digests, sessions, versions
from monitor.store.audit import Entry
from monitor.store.days import DayFigures
from monitor.store.db import Store
from monitor.store.sessions import Session
from monitor.store.tables import metadata
from monitor.store.versions import Version
from tests.support.postgresql import postgresql

FRAUD = Stream("acme", "fraud")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("nouns")
        made = Store(f"sqlite:///{folder}/a.db")
        metadata.create_all(made.engine)
        yield made
        return
    with postgresql() as server:
        made = Store(server.url)
        metadata.create_all(made.engine)
        yield made
        made.close()


def test_a_day_written_again_takes_the_old_one_s_place(store: Store) -> None:
    day = DayFigures(FRAUD, date(2026, 11, 23), 5, 1, "accuracy", 0.9, 4, False, 0.02, 7.0)
    with store.write() as connection:
        days.put(connection, [day])
        days.put(
            connection, [DayFigures(FRAUD, date(2026, 11, 23), 8), DayFigures(FRAUD, date(2026, 11, 22))]
        )
        found = days.between(connection, "acme", date(2026, 11, 1), date(2026, 11, 30))[FRAUD]
        assert [(one.day.day, one.decisions, one.quality) for one in found] == [(22, 0, None), (23, 8, None)]
        assert days.last_days(connection) == {FRAUD: date(2026, 11, 23)}
        assert days.delete_before(connection, date(2026, 11, 23)) == 1


def test_a_session_is_found_by_its_secret_until_it_ends(store: Store) -> None:
    session = Session("ada", "admin", "", "", 0.0, 100.0)
    with store.write() as connection:
        secret = sessions.open_session(connection, session)
        assert sessions.find(connection, secret, 99.0) == session
        assert sessions.find(connection, secret, 100.0) is None
        assert sessions.find(connection, f"{secret}x", 50.0) is None
        sessions.close(connection, secret)
        assert sessions.find(connection, secret, 50.0) is None


def test_the_audit_log_reads_newest_first(store: Store) -> None:
    with store.write() as connection:
        audit.add(connection, [Entry(float(at), "ada", "", "read", "acme", f"/{at}", 200) for at in range(5)])
        assert [entry.target for entry in audit.latest(connection, "acme", 2)] == ["/4", "/3"]
        assert audit.latest(connection, "globex") == []
        assert audit.delete_before(connection, 3.0) == 3


def test_a_digest_is_claimed_once(store: Store) -> None:
    with store.write() as connection:
        assert digests.claim(connection, "acme", "daily", "2026-11-23", 1.0, "sent")
        assert not digests.claim(connection, "acme", "daily", "2026-11-23", 2.0, "sent")
        assert digests.last_composed(connection) == {("acme", "daily"): 1.0}


def test_a_reader_who_left_gets_no_token_until_they_come_back(store: Store) -> None:
    with store.write() as connection:
        token = digests.token(connection, "acme", "Ada@Example.com")
        assert token is not None
        assert digests.token(connection, "acme", "ada@example.com") == token
        assert digests.unsubscribe(connection, token, 5.0) == ("acme", "ada@example.com")
        assert digests.token(connection, "acme", "ada@example.com") is None
        assert digests.unsubscribe(connection, "unknown", 5.0) is None
        assert digests.subscribe(connection, "unknown") is None
        assert digests.subscribe(connection, token) == ("acme", "ada@example.com")
        assert digests.token(connection, "acme", "ada@example.com") == token


def test_versions_grow(store: Store) -> None:
    with store.write() as connection:
        versions.put(connection, [Version(FRAUD, "7", 60.0, 120.0)])
        versions.put(connection, [Version(FRAUD, "7", 0.0, 90.0)])
        assert versions.load(connection) == {FRAUD: [Version(FRAUD, "7", 0.0, 120.0)]}
