"""What is measured when: a timeline for each promise."""

import itertools
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import update

from monitor.config.units import DAY
from monitor.records import Stream, Window
from monitor.rules.engine.readings import OPEN
from monitor.store import measurement_queue, measurements, streams
from tests.support.log import NOW, STREAM
from tests.support.measuring import MINUTE, MeasuringDaemon, measuring_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[MeasuringDaemon]:
    with measuring_daemon(tmp_path) as fresh:
        yield fresh


def volume(daemon: MeasuringDaemon, start: float, seconds: int) -> float | None:
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(start), int(start) + seconds))
    return next((m.value for m in found if m.metric == "volume" and not m.labels), None)


def test_what_just_came_in_is_readable_at_once_and_gone_after_the_last_seconds(
    daemon: MeasuringDaemon,
) -> None:
    daemon.predict(20, error=None, latency_ms=30.0)
    assert daemon.measurement(daemon.measure(), "volume", OPEN).value == 20
    daemon.clock.advance(9)
    daemon.predict(5)
    assert daemon.measurement(daemon.measure(), "volume", OPEN).value == 25
    daemon.clock.advance(9)
    assert daemon.measurement(daemon.measure(), "volume", OPEN).value == 5
    daemon.clock.advance(9)
    assert list(daemon.measure().find(STREAM, OPEN, "volume")) == []


def test_a_minute_is_measured_once_it_is_closed(daemon: MeasuringDaemon) -> None:
    daemon.predict(30)
    daemon.measure()
    assert volume(daemon, NOW, MINUTE) is None
    daemon.clock.advance(75)
    daemon.predict(1)
    assert daemon.measurement(daemon.measure(), "volume").value == 30
    assert volume(daemon, NOW, MINUTE) == 30
    assert volume(daemon, NOW, 3600) == 31 or volume(daemon, NOW, 3600) == 30


def test_the_first_hour_of_a_model_has_a_figure_before_its_first_minute_has_closed(
    daemon: MeasuringDaemon,
) -> None:
    assert NOW % 3600 == 0
    daemon.clock.advance(7)
    daemon.predict(30)
    daemon.measure()
    assert volume(daemon, NOW, 3600) == 30


def test_the_hour_of_a_new_model_is_measured_with_each_minute_and_its_day_summed_up_then(
    daemon: MeasuringDaemon,
) -> None:
    """The first figures are those of the first seconds; a page said `36 decisions` of 300 for three minutes."""
    told: list[float] = []
    daemon.measuring._on_measured = lambda touched: told.extend(
        volume(daemon, window.start, window.seconds) or 0.0
        for _, window in touched
        if window == Window(int(NOW), int(NOW) + 3600)
    )
    daemon.clock.advance(17)
    daemon.predict(30)
    daemon.measure()
    hours = [30.0]
    for _ in range(20):
        daemon.clock.advance(60)
        daemon.predict(10)
        daemon.measure()
        hours.append(volume(daemon, NOW, 3600) or 0.0)
    assert all(now > before for before, now in pairwise(hours[:10]))
    assert len(set(hours[11:])) < 6  # no longer new: every third minute
    assert told == sorted(set(hours))


def test_a_rolling_length_is_the_sum_of_its_minutes(daemon: MeasuringDaemon) -> None:
    for _ in range(5):
        daemon.predict(10)
        daemon.measure()
        daemon.clock.advance(60)
    daemon.clock.advance(15)
    daemon.predict(1)
    assert daemon.measurement(daemon.measure(), "volume", 300).value == 50


def test_a_day_is_measured_again_in_time_though_no_tick_fell_on_the_step(daemon: MeasuringDaemon) -> None:
    daemon.lengths = (OPEN, DAY)
    daemon.predict(10)
    daemon.clock.advance(200)
    assert daemon.measurement(daemon.measure(), "volume", DAY).value == 10
    daemon.predict(5)
    daemon.clock.advance(45)
    assert daemon.measurement(daemon.measure(), "volume", DAY).value == 10  # five minutes are not over
    daemon.clock.advance(150)  # the tick at 08:05 took so long
    assert daemon.measurement(daemon.measure(), "volume", DAY).value == 15


def test_late_rows_are_added_to_their_minute_and_it_is_measured_again(daemon: MeasuringDaemon) -> None:
    daemon.predict(30)
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.measure()
    daemon.predict(12, at=NOW + 1)
    daemon.measure()
    assert volume(daemon, NOW, MINUTE) == 42


def test_a_stream_that_fell_silent_has_its_minute_closed_by_the_clock(daemon: MeasuringDaemon) -> None:
    daemon.predict(30)
    daemon.measure()
    daemon.clock.advance(120)
    readings = daemon.measure()
    assert volume(daemon, NOW, MINUTE) == 30
    silence = daemon.measurement(readings, "silence_seconds", OPEN)
    assert silence.value == 120


def test_killed_between_counting_and_measuring_nothing_stays_unmeasured(daemon: MeasuringDaemon) -> None:
    daemon.predict(30)
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.count()
    daemon.restart()
    daemon.clock.advance(200)
    daemon.predict(1)
    daemon.measure()
    assert volume(daemon, NOW, MINUTE) == 30
    with daemon.store.read() as connection:
        left = [window.start for window in measurement_queue.load(connection).get(STREAM, [])]
    assert all(start >= NOW + 240 for start in left)


def test_history_is_measured_by_the_hour_and_does_not_count_as_now(daemon: MeasuringDaemon) -> None:
    for hour in range(1, 31):
        daemon.predict(3, at=NOW - hour * 3600 + 5)
    readings = daemon.measure()
    assert list(readings.find(STREAM, OPEN, "volume")) == []
    daemon.clock.advance(2)
    daemon.measure()
    daemon.clock.advance(60)
    daemon.predict(1)
    daemon.measure()
    assert [volume(daemon, NOW - hour * 3600, 3600) for hour in range(1, 31)] == [3.0] * 30
    assert volume(daemon, NOW - 10 * 3600, MINUTE) is None


def test_a_tick_without_time_for_history_measures_now_and_leaves_the_rest_to_the_next_ones(
    daemon: MeasuringDaemon,
) -> None:
    daemon.history_seconds = 0.0
    daemon.restart()
    for hour in range(1, 21):
        daemon.predict(3, at=NOW - hour * 3600 + 5)
    daemon.predict(7)
    assert daemon.measurement(daemon.measure(), "volume", OPEN).value == 7.0

    def measured() -> list[float | None]:
        return [volume(daemon, NOW - hour * 3600, 3600) for hour in range(1, 21)]

    counts = [20 - measured().count(None)]
    for _ in range(9):
        daemon.clock.advance(2)
        daemon.measure()
        counts.append(20 - measured().count(None))
    assert 3 <= counts[0] <= 6
    assert all(later - earlier <= 6 for earlier, later in itertools.pairwise(counts))
    assert measured() == [3.0] * 20


def test_a_probe_that_was_never_asked_is_not_measured_and_says_so(daemon: MeasuringDaemon) -> None:
    daemon.predict(1)
    availability = daemon.measurement(daemon.measure(), "availability", OPEN)
    assert availability.value is None
    assert availability.reason == "not probed yet"


def test_an_outcome_restates_the_minute_of_its_prediction(daemon: MeasuringDaemon) -> None:
    daemon.predict(40, prediction="ok")
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.measure()
    daemon.send_outcomes(*(f"p{number}" for number in range(40)), truth="ok")
    daemon.measure()
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + MINUTE))
    accuracy = next(m for m in found if m.metric == "accuracy" and not m.labels)
    assert (accuracy.value, accuracy.n) == (1.0, 40)


def test_a_stream_of_which_nothing_came_yet_stops_no_other(daemon: MeasuringDaemon) -> None:
    """It is known by its baseline, or by an outcome that came before its prediction."""
    waiting = Stream("acme", "waiting")
    with daemon.store.write() as connection:
        streams.key(connection, waiting, daemon.clock.now())
    daemon.predict(30)
    readings = daemon.measure()
    assert daemon.measurement(readings, "volume", OPEN).value == 30
    (silence,) = readings.find(waiting, OPEN, "silence_seconds")
    assert (silence.value, silence.reason) == (None, "no prediction has been received")


def test_a_stream_that_lay_still_for_any_time_is_measured_from_now_on(daemon: MeasuringDaemon) -> None:
    daemon.predict(1)
    daemon.measure()
    with daemon.store.write() as connection:
        connection.execute(update(streams.STREAMS).values(watermark=-1e10, last_received=-1e10))
    daemon.restart()
    daemon.measure()
    daemon.predict(30)
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.measure()
    assert volume(daemon, NOW, MINUTE) == 31
