"""Days, sessions, audit, digests and versions: the same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from monitor.records import Measurement, Receipt, Rejected, Stream, Window, labels
from monitor.store import (
    access_counts,
    audit,
    audit_checkpoints,
    daily_summaries,
    digests,
    gauges,
    measurements,
    model_versions,
    outbox,
    quarantine,
    releases,
    sessions,
    timeseries,
)
from monitor.store.audit import AuditEntry
from monitor.store.audit_checkpoints import Signer
from monitor.store.daily_summaries import DayFigures
from monitor.store.db import Store
from monitor.store.gauges import GaugeKey
from monitor.store.model_versions import Version
from monitor.store.quarantine import Quarantined
from monitor.store.releases import MOST, Release
from monitor.store.sessions import Session
from tests.support import schema
from tests.support.postgresql import postgresql

FRAUD = Stream("acme", "fraud")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("nouns")
        made = Store(f"sqlite:///{folder}/a.db")
        schema.create(made)
        yield made
        return
    with postgresql() as server:
        made = Store(server.url)
        schema.create(made)
        yield made
        made.close()


def test_a_day_written_again_takes_the_old_one_s_place(store: Store) -> None:
    day = DayFigures(FRAUD, date(2026, 11, 23), 5, 1, "accuracy", 0.9, 4, False, 0.02, 7.0)
    with store.write() as connection:
        daily_summaries.put(connection, [day])
        daily_summaries.put(
            connection, [DayFigures(FRAUD, date(2026, 11, 23), 8), DayFigures(FRAUD, date(2026, 11, 22))]
        )
        found = daily_summaries.between(connection, "acme", date(2026, 11, 1), date(2026, 11, 30))[FRAUD]
        assert [(one.day.day, one.decisions, one.quality) for one in found] == [(22, 0, None), (23, 8, None)]
        assert daily_summaries.last_days(connection) == {FRAUD: date(2026, 11, 23)}
        assert daily_summaries.delete_before(connection, date(2026, 11, 23)) == 1


def test_a_session_is_found_by_its_secret_until_it_ends(store: Store) -> None:
    session = Session("ada", "admin", "", "", 0.0, 100.0)
    with store.write() as connection:
        secret = sessions.open_session(connection, session)
        found = sessions.find(connection, secret, 99.0)
        assert found is not None
        assert found.id
        assert replace(found, id="") == session
        assert sessions.find(connection, secret, 100.0) is None
        assert sessions.find(connection, f"{secret}x", 50.0) is None
        sessions.close(connection, secret)
        assert sessions.find(connection, secret, 50.0) is None


def test_the_audit_log_reads_newest_first(store: Store) -> None:
    with store.write() as connection:
        audit.add(
            connection, [AuditEntry(float(at), "ada", "", "read", "acme", f"/{at}", 200) for at in range(5)]
        )
        assert [entry.target for entry in audit.latest(connection, "acme", 2)] == ["/4", "/3"]
        assert audit.latest(connection, "globex") == []
        assert audit_checkpoints.delete_before(connection, 3.0, Signer(), 9.0) == 3


def test_the_audit_log_is_filtered_and_read_in_pages(store: Store) -> None:
    def entry(at: int, who: str, target: str, action: str = "read") -> AuditEntry:
        return AuditEntry(100.0 + at, who, "10.0.0.1", action, "paged", target, 200)

    with store.write() as connection:
        audit.add(connection, [entry(at, "Ada", f"/100%/{at}") for at in range(10)])
        audit.add(connection, [entry(10, "bob", "/100_/10", "change")])

        def targets(offset: int = 0, limit: int = 100, **wanted: str | float) -> list[str]:
            chosen = audit.AuditFilter(client="paged", **wanted)  # type: ignore[arg-type]
            found = audit.find(connection, chosen, offset, limit)
            assert offset or limit < 100 or audit.count(connection, chosen) == len(found)
            return [one.target.rpartition("/")[2] for one in found]

        assert targets(2, 3) == ["8", "7", "6"]
        assert targets(who="ADA", start=103.0, end=105.0) == ["4", "3"]
        assert targets(target="100_/") == targets(action="change") == ["10"]
        assert audit.actions(connection) in (["change", "read"], ["read", "change"])


def test_refused_records_are_filtered_and_counted(store: Store) -> None:
    def refused(at: int, reason: str, model: str = "fraud", count: int = 1) -> Quarantined:
        record = Rejected(at, f"Wrong 100% of {at}", "fix it", "acme", model, b"{}")
        return Quarantined(float(at), "predictions", reason, record, count)

    kept = [refused(at, ("invalid", "too_old")[at % 2], count=at + 1) for at in range(6)]
    with store.write() as connection:
        quarantine.put(connection, [*kept, refused(6, "invalid", "churn")])
        wanted = quarantine.QuarantineFilter("acme", "fraud", start=1.0)
        assert quarantine.find(connection, wanted) == kept[:0:-1]
        assert quarantine.find(connection, wanted, 1, 2) == [kept[4], kept[3]]
        assert quarantine.count(connection, wanted) == 5
        assert quarantine.reasons(connection, wanted) == [("too_old", 12), ("invalid", 8)]
        assert quarantine.find(connection, quarantine.QuarantineFilter(text="WRONG 100% OF 2")) == [kept[2]]
        assert quarantine.find(
            connection, quarantine.QuarantineFilter(text="FIX", reason="too_old", end=2.0)
        ) == [kept[1]]
        assert quarantine.find(connection, quarantine.QuarantineFilter("globex")) == []


def test_the_answers_to_a_delivery_are_read_in_order(store: Store) -> None:
    answers = [Receipt(7, 1.0, "retry", "busy", 503, 0.5), Receipt(7, 2.0, "sent", "", 202, 0.1)]
    with store.write() as connection:
        for one in (answers[0], Receipt(8, 1.5, "dead"), answers[1]):
            outbox.add_receipt(connection, one)
        assert outbox.receipts_of(connection, [7]) == {7: answers}
        assert outbox.receipts_of(connection, []) == {}


def test_series_are_read_by_part_as_each_alone(store: Store) -> None:
    of = labels(version="7")
    with store.write() as connection:
        for start in (0, 3600, 7200):
            window = Window(start, start + 3600)
            found = [
                Measurement(FRAUD, window, "error_rate", start / 1e5, "share", n=9, labels=one)
                for one in ((), labels(type="timeout"), of)
            ]
            measurements.put(connection, FRAUD, window, found, 1.0)
        for detailed, keys in ((False, [(), labels(type="timeout")]), (True, [of])):
            read = timeseries.load_part(connection, FRAUD, ["error_rate"], 3600, 3600, 1e6, detailed=detailed)
            assert [key for _, key in read] == keys
            for key in keys:
                alone = timeseries.load(connection, FRAUD, "error_rate", 3600, 3600, 1e6, key)
                assert read["error_rate", key].values.tolist() == alone.values.tolist() == [0.036, 0.072]


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
        left = digests.unsubscribe(connection, token, 5.0)
        assert left == digests.Answered("acme", "ada@example.com", is_new=True)
        assert digests.unsubscribe(connection, token, 6.0) == replace(left, is_new=False)
        assert digests.token(connection, "acme", "ada@example.com") is None
        assert digests.unsubscribe(connection, "unknown", 5.0) is None
        assert digests.subscribe(connection, "unknown") is None
        assert digests.subscribe(connection, token) == left
        assert digests.token(connection, "acme", "ada@example.com") == token


def test_versions_grow(store: Store) -> None:
    with store.write() as connection:
        model_versions.put(connection, [Version(FRAUD, "7", 60.0, 120.0)])
        model_versions.put(connection, [Version(FRAUD, "7", 0.0, 90.0)])
        assert model_versions.load(connection) == {FRAUD: [Version(FRAUD, "7", 0.0, 120.0)]}


def test_sums_are_the_same_in_whatever_portions_they_are_written(store: Store) -> None:
    key = GaugeKey(FRAUD, "host", "", "used_share", "memory")
    values = [0.1, 0.9, 0.4, 0.4]
    for portion in (values[:1], values[1:3], values[3:]):
        with store.write() as connection:
            gauges.add(connection, [(key, value) for value in portion], 1_800_000_003.0)
    with store.read() as connection:
        (sums,) = gauges.load(connection, FRAUD, "host", 1_799_999_000, 1_800_000_060)[key]
    assert (sums.n, sums.total, sums.highest) == (4, pytest.approx(sum(values)), 0.9)


def released(version: str, digest: str, at: float, **more: Any) -> Release:
    return Release(FRAUD, version, digest * 64, at, at, "kim", "key 1", **more)


def test_a_release_is_stored_once_also_by_two_at_once_and_another_content_beside_it(store: Store) -> None:
    hostile = released(
        "8",
        "a",
        100.0,
        note="'; --\u2028\u202e",
        flags=("migration",),
        components={"git.commit": "abc"},
        manifest="{}",
    )

    def put(one: Release) -> bool:
        with store.write() as connection:
            return releases.add(connection, one)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(put, [hostile] * 4)) == [False, False, False, True]
    assert put(released("8", "b", 200.0))
    with store.read() as connection:
        assert releases.with_manifests(connection, FRAUD, "8")[0] == hostile
        heads = releases.of(connection, FRAUD)
        assert [(one.digest[0], one.manifest) for one in heads] == [("a", ""), ("b", "")]
        assert releases.newest(connection, 5, "globex") == {}
        assert [one.digest[0] for one in releases.newest(connection, 1)[FRAUD]] == ["b"]
        assert releases.newest(connection, 9, "acme")[FRAUD] == heads
        assert releases.first_recorded(connection) == {FRAUD: 100.0}


def test_of_very_many_releases_the_oldest_records_are_deleted(store: Store) -> None:
    other = Stream("acme", "prices")
    with store.write() as connection:
        for number in range(MOST + 5):
            releases.add(connection, Release(other, str(number), "c" * 64, 1.0, float(number)))
    with store.read() as connection:
        kept = {one.version for one in releases.of(connection, other)}
    assert kept == {str(number) for number in range(5, MOST + 5)}


def test_reads_are_counted_by_name_and_clock_hour(store: Store) -> None:
    times = {7199.999: 1, 7200.0: 2, 10_799.9: 4, 10_800.0: 8}
    with store.write() as connection:
        audit.add(
            connection,
            [AuditEntry(at, "key h", "::1", "read", "acme", "/c/acme", 200, n) for at, n in times.items()],
        )
    with store.read() as connection:
        assert access_counts.habits(connection, 0, 20_000)["key h"] == access_counts.Habit(8, 3600.0)
        assert access_counts.reads(connection, 7000, 10_800)["key h"] == 6
