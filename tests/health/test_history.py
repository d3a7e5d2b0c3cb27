"""Incidents from transitions, and days that may be 23 or 25 hours long."""

from contextlib import closing
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete

from monitor.health import daily_summary, incident_history
from monitor.health.daily_summary import DailySummaries, bounds
from monitor.health.model_state import Health
from monitor.health.settings import ClientSettings
from monitor.records import Alert, Measurement, Severity, State, Stream, Transition, Window
from monitor.store import daily_summaries, measurements, streams
from monitor.store.db import Store, sqlite_driver
from tests.support import clients, schema
from tests.support.clients import NOW

FRAUD = Stream("acme", "fraud")
HOUR = 3600


def step(
    at: float, before: State, to: State, episode: int = 1, severity: Severity = Severity.CRITICAL
) -> Transition:
    return Transition("f" * 16, at, before, to, episode, "", "Rule", severity, FRAUD)


def test_an_episode_begins_when_it_fires_and_ends_when_it_resolves() -> None:
    found = incident_history.incidents(
        [
            step(10, State.PENDING, State.FIRING),
            step(20, State.FIRING, State.RECOVERING),
            step(25, State.RECOVERING, State.FIRING),
            step(40, State.RECOVERING, State.RESOLVED),
            step(90, State.INACTIVE, State.FIRING, episode=2),
        ],
        {},
        ClientSettings(),
    )
    assert [(one.started, one.ended) for one in found] == [(90, None), (10, 40)]


def test_info_is_no_incident() -> None:
    found = incident_history.incidents(
        [step(10, State.PENDING, State.FIRING, severity=Severity.INFO)], {}, ClientSettings()
    )
    assert found == []


def test_what_fires_since_before_the_history_is_in_it() -> None:
    alert = Alert("f" * 16, "Rule", Severity.WARNING, FRAUD, state=State.FIRING, episode=3, fired_at=5.0)
    [one] = incident_history.incidents([], {alert.fingerprint: alert}, ClientSettings())
    assert (one.started, one.ended, one.episode) == (5.0, None, 3)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            (("signal", "unsupported_numbers"), ("segment", "region=eu_west")),
            "unsupported numbers, region eu_west",
        ),
        ((("column", "amount"), ("expectation", "range 0 to 100")), "amount, range 0 to 100"),
        ((("column", "rows"), ("expectation", "condition features.start <= features.end")), "start <= end"),
        ((("column", "rows"), ("expectation", "rows from 5")), "rows from 5"),
        ((("of", "output_mae"), ("output", "height")), "usual distance from the truth, height"),
    ],
)
def test_an_incident_names_what_it_is_about_in_words(about: tuple[tuple[str, str], ...], words: str) -> None:
    alert = Alert("f" * 16, "Rule", Severity.WARNING, FRAUD, about, State.FIRING, episode=3, fired_at=5.0)
    [one] = incident_history.incidents([], {alert.fingerprint: alert}, ClientSettings())
    assert one.about == words


def test_an_incident_of_a_decline_names_its_figure_in_words() -> None:
    alert = Alert(
        "f" * 16,
        "SuddenDecline",
        Severity.WARNING,
        FRAUD,
        (("of", "accuracy"),),
        State.FIRING,
        episode=3,
        fired_at=5.0,
    )
    [one] = incident_history.incidents([], {alert.fingerprint: alert}, ClientSettings())
    assert one.about == "right answers"


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 11, 23), 24)]
)
def test_a_day_is_as_long_as_the_clock_makes_it(day: date, hours: int) -> None:
    start, end = bounds(day, ZoneInfo("Europe/Berlin"))
    assert end - start == hours * HOUR


def test_a_day_is_the_sum_of_its_hours_and_quality_is_weighted(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    settings = ClientSettings(timezone="Europe/Berlin")
    start, end = bounds(date(2026, 10, 25), settings.zone)
    with store.write() as connection:
        streams.key(connection, FRAUD, 0.0)
        for index in range(-2, 27):
            window = Window(int(start) + index * HOUR, int(start) + (index + 1) * HOUR)
            quality = 1.0 if index == 0 else 0.5
            measurements.put(
                connection,
                FRAUD,
                window,
                [
                    Measurement(FRAUD, window, "volume", 100.0, n=100),
                    Measurement(FRAUD, window, "error_rate", 0.1, n=100),
                    Measurement(FRAUD, window, "latency_p50", 0.2, n=90),
                    Measurement(FRAUD, window, "accuracy", quality, n=240 if index == 0 else 10),
                ],
            )
        found = daily_summary.roll_up(connection, FRAUD, date(2026, 10, 25), settings, end)
    assert found.decisions == 2500
    assert found.errors == 250
    assert found.quality == pytest.approx((240 + 24 * 10 * 0.5) / 480)
    assert found.latency == pytest.approx(0.2)
    assert not found.estimated


def test_days_that_changed_are_rolled_up_again_and_today_at_most_once_a_minute(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    now = 1795435200.0
    window = Window(int(now) - HOUR, int(now))
    with store.write() as connection:
        streams.key(connection, FRAUD, now)
        measurements.put(connection, FRAUD, window, [Measurement(FRAUD, window, "volume", 10.0, n=10)])
    book = DailySummaries(store, {})
    assert book.update(now) == 1  # since its first hour, once
    assert book.update(now + 1) == 0
    with store.write() as connection:
        measurements.put(connection, FRAUD, window, [Measurement(FRAUD, window, "volume", 25.0, n=25)])
    book.touch([(FRAUD, window)])
    assert book.update(now + 30) == 0
    assert book.update(now + 61) == 1
    with store.read() as connection:
        [day] = daily_summaries.between(connection, "acme", date(2026, 11, 23), date(2026, 11, 23))[FRAUD]
    assert day.decisions == 25


def test_with_very_many_streams_a_day_is_rolled_up_less_often_but_a_new_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_summary, "_MANY", 2)
    now = 1795435200.0
    window = Window(int(now) - HOUR, int(now))
    some = [Stream("acme", f"model-{number}") for number in range(6)]
    with closing(Store(f"sqlite:///{tmp_path}/a.db")) as store:
        schema.create(store)
        with store.write() as connection:
            for stream in some:
                streams.key(connection, stream, now)
                measurements.put(
                    connection, stream, window, [Measurement(stream, window, "volume", 1.0, n=1)]
                )
        summaries = DailySummaries(store, {})
        assert summaries.update(now) == len(some), "each at once"
        summaries.touch([(some[0], window)])
        assert summaries.update(now + 61) == 0
        assert summaries.update(now + 179) == 0
        assert summaries.update(now + 181) == 1, "three times as many as may be rolled up each minute"


def test_a_stream_that_was_seen_before_it_was_measured_is_summed_up_at_its_first_figure(
    tmp_path: Path,
) -> None:
    now = 1795435200.0
    window = Window(int(now) - HOUR, int(now))
    with closing(Store(f"sqlite:///{tmp_path}/a.db")) as store:
        schema.create(store)
        with store.write() as connection:
            streams.key(connection, FRAUD, now)
        summaries = DailySummaries(store, {})
        assert summaries.update(now) == 1  # nothing to sum up yet
        with store.write() as connection:
            measurements.put(connection, FRAUD, window, [Measurement(FRAUD, window, "volume", 10.0, n=10)])
        summaries.touch([(FRAUD, window)])
        assert summaries.update(now + 1) == 1
        with store.read() as connection:
            day = daily_summaries.between(connection, "acme", date(2026, 11, 23), date(2026, 11, 23))[FRAUD]
    assert [one.decisions for one in day] == [10]


def test_a_day_shows_its_worst_and_a_day_without_decisions_waits() -> None:
    settings = ClientSettings()
    start, _ = bounds(date(2026, 11, 22), settings.zone)
    happened = incident_history.incidents(
        [step(start + 100, State.PENDING, State.FIRING), step(start + 200, State.RECOVERING, State.RESOLVED)],
        {},
        settings,
    )
    figures = [daily_summaries.DayFigures(FRAUD, date(2026, 11, day), decisions=5) for day in (21, 22)]
    found = incident_history.days(FRAUD, figures, happened, date(2026, 11, 20), date(2026, 11, 22), settings)
    assert [day.health for day in found] == [Health.WAITING, Health.WORKING, Health.ATTENTION]


def test_a_day_is_read_in_one_pass_over_its_hours(tmp_path: Path) -> None:
    with closing(clients.opened(tmp_path, hours=24).store) as store, store.read() as connection:
        daily_summary.roll_up(
            connection, FRAUD, date(2026, 11, 23), ClientSettings(), NOW
        )  # shapes are known from now on
        asked: list[str] = []
        driver = sqlite_driver(connection)
        assert driver is not None
        driver.set_trace_callback(asked.append)
        daily_summary.roll_up(connection, FRAUD, date(2026, 11, 23), ClientSettings(), NOW)
    assert sum("figures" in statement for statement in asked) == 1


def test_a_stream_without_a_past_has_one_day_to_sum_up_not_three_months(tmp_path: Path) -> None:
    with closing(clients.opened(tmp_path, hours=1).store) as store:
        with store.write() as connection:
            for number in range(20):
                streams.key(connection, Stream("acme", f"new-{number}"), NOW)
            known = len(daily_summaries.last_days(connection))
        assert DailySummaries(store, {}).update(NOW) <= 20 + 2 * known + 1


def test_a_day_long_before_any_stream_is_not_where_summing_up_begins(tmp_path: Path) -> None:
    with closing(clients.opened(tmp_path, hours=1).store) as store:
        with store.write() as connection:
            connection.execute(delete(daily_summaries.days))
            daily_summaries.put(connection, [daily_summaries.DayFigures(FRAUD, date(1, 1, 1))])
            known = len(daily_summaries.last_days(connection))
        assert known
        assert DailySummaries(store, {}).update(NOW) <= known * (daily_summary.MOST_PAST_DAYS + 1) + 3


def test_days_that_there_was_no_time_for_are_summed_up_in_the_next_looks_each_once(tmp_path: Path) -> None:
    with closing(Store(f"sqlite:///{tmp_path}/a.db")) as store:
        schema.create(store)
        with store.write() as connection:
            for number in range(20):
                streams.key(connection, Stream("acme", f"new-{number}"), NOW)
        summaries = DailySummaries(store, {})
        assert [summaries.update(NOW + after, 0.0) for after in range(4)] == [8, 8, 4, 0]


def test_a_stream_that_replaces_another_is_noticed_and_without_change_no_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1795435200.0
    with closing(Store(f"sqlite:///{tmp_path}/a.db")) as store:
        schema.create(store)
        with store.write() as connection:
            streams.key(connection, FRAUD, now)
        summaries, read = DailySummaries(store, {}), list[int]()
        everything = streams.streams
        monkeypatch.setattr(streams, "streams", lambda one: (read.append(1), everything(one))[1])
        assert summaries.update(now) == 1
        assert summaries.update(now + 20) == 0
        assert len(read) == 1
        with store.write() as connection:
            connection.execute(delete(streams.STREAMS))
            streams.key(connection, Stream("acme", "new"), now + 30)  # it gets the same number
        assert summaries.update(now + 40) == 1
        assert len(read) == 2
