"""Who reads far more than ever is named; who always reads much, or is new among such, is not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.evaluation.unusual_access import LEAST_READS, UnusualAccess, compare, kind_of, measured
from monitor.store import access_counts, audit
from monitor.store.access_counts import Habit
from monitor.store.audit import AuditEntry
from monitor.store.db import Store
from tests.support import schema
from tests.support.thorough import examples

DAY, HOUR = 86_400.0, 3600.0
NOW = 1_795_000_000.0 // HOUR * HOUR + 600
OLD = NOW - 10 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(made)
    yield made
    made.close()


def read(
    at: float, times: int = 1, who: str = "key a1", outcome: int = 200, action: str = "read"
) -> AuditEntry:
    return AuditEntry(at, who, "::1", action, "acme", "/c/acme/", outcome, times)


def write(store: Store, *entries: AuditEntry) -> None:
    with store.write() as connection:
        audit.add(connection, entries)


def test_each_is_compared_with_its_own_largest_hour_and_the_new_with_their_kind() -> None:
    habits = {"key a1": Habit(1000, OLD), "key b2": Habit(5000, OLD), "ada@x.org": Habit(500, OLD)}
    recent = {"key a1": 6000, "key new": 6000, "eve@x.org": 6000, "user root": 9000}
    found = {one.who: (one.largest, one.is_new) for one in compare(recent, habits, NOW)}
    assert found == {
        "key a1": (1000, False),
        "key new": (5000, True),
        "eve@x.org": (500, True),
        "user root": (None, False),
    }
    figure = measured(compare(recent, habits, NOW), NOW)
    assert figure.value == 12  # eve's 6,000 against a person's 500
    assert figure.because.startswith(
        "eve@x.org: 6,000 reads in an hour, at most 500 others of its kind; key a1"
    )


def test_a_history_of_two_days_measures_nothing() -> None:
    readers = compare({"key a1": 9000}, {"key a1": Habit(10, NOW - 2 * DAY)}, NOW)
    figure = measured(readers, NOW)
    assert figure.value is None
    assert "for 3 days" in figure.reason
    assert measured(compare({}, {}, NOW), NOW).value == 0  # nobody reads, and that is known


def test_few_reads_never_exceed_the_limit_of_the_rule() -> None:
    readers = compare({"key a1": 5 * LEAST_READS}, {"key a1": Habit(1, OLD)}, NOW)
    assert measured(readers, NOW).value == 5


def test_hostile_and_many_names_stay_short_and_visible() -> None:
    habits = {"x": Habit(1, OLD)}
    recent = {f"{n}\r\n\u202e\u2028\x00" + "n" * 10_000: 5000 for n in range(40)}
    because = measured(compare(recent, habits, NOW), NOW).because
    assert because.isprintable()
    assert len(because) < 800
    assert because.endswith("and 35 more")


@pytest.mark.parametrize(
    ("who", "kind"),
    [("key a1", "key"), ("user root", "user"), ("this machine", "person"), ("key", "person"), ("", "person")],
)
def test_kinds(who: str, kind: str) -> None:
    assert kind_of(who) == kind


_names = st.sampled_from(["key a", "key b", "ada", "user u"])


@given(
    st.dictionaries(_names, st.integers(0, 10**6)),
    st.dictionaries(_names, st.builds(Habit, st.integers(0, 10**6), st.floats(0, NOW))),
)
@settings(max_examples=examples(30))
def test_reading_no_more_than_before_is_never_unusual(
    recent: dict[str, int], habits: dict[str, Habit]
) -> None:
    for one in compare(recent, habits, NOW):
        if one.largest is not None and one.reads <= one.largest:
            assert one.ratio <= 1


def test_the_figure_comes_from_answered_reads_of_the_last_two_clock_hours(store: Store) -> None:
    write(store, read(OLD, 300), read(OLD + 60, 700), read(OLD + HOUR, 50), read(OLD, 10_000, who="stranger"))
    figures = UnusualAccess(store)
    assert figures.measure(NOW).value == 0
    refused = read(NOW, 90_000, outcome=403), read(NOW, 90_000, action="change"), read(NOW + 60, 90_000)
    write(store, read(NOW - 700, 1200), read(NOW - 5, 3000), read(NOW, 4000, action="read texts"), *refused)
    assert figures.measure(NOW).value == 7  # 7,000 in this hour against 1,000; the past hour has 1,200
    assert "key a1: 7,000 reads in an hour, at most 1,000 before" in figures.measure(NOW).because
    assert figures.measure(NOW + 2 * HOUR).value == 0  # over; what is in the future stays out of the past
    write(store, read(NOW + 3 * HOUR, 7000))
    assert figures.measure(NOW + 3 * HOUR).value == pytest.approx(7000 / 97_000)


def test_a_damaged_row_stops_only_itself(store: Store) -> None:
    write(store, read(OLD, 1000), read(OLD, 5, who="key b"), read(OLD, 6, who="key c"))
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE audit SET who = x'ff00' WHERE who = 'key b'")
        connection.exec_driver_sql("UPDATE audit SET times = 'many' WHERE who = 'key c'")
        connection.exec_driver_sql("INSERT INTO audit (at, who, address, action, client, target, outcome, times)"
                                   " VALUES ('soon', 'key d', '', 'read', '', '', 200, 1)")  # fmt: skip
    with store.read() as connection:
        found = access_counts.habits(connection, 0, NOW)
    assert found["key a1"] == Habit(1000, OLD // HOUR * HOUR)
    assert set(found) == {"key a1", "key c"}
