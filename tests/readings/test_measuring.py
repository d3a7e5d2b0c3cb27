"""What is measured when: a timeline for each promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.records import Stream, Window
from monitor.rules.readings import OPEN
from monitor.store import measurements, register, unmeasured
from tests.support.log import NOW, STREAM
from tests.support.world import MINUTE, World, world


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as fresh:
        yield fresh


def volume(daemon: World, start: float, seconds: int) -> float | None:
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(start), int(start) + seconds))
    return next((m.value for m in found if m.metric == "volume" and not m.labels), None)


def test_what_just_came_in_is_readable_at_once_and_gone_after_the_last_seconds(daemon: World) -> None:
    daemon.predict(20, error=None, latency_ms=30.0)
    assert daemon.figure(daemon.look(), "volume", OPEN).value == 20
    daemon.clock.advance(9)
    daemon.predict(5)
    assert daemon.figure(daemon.look(), "volume", OPEN).value == 25
    daemon.clock.advance(9)
    assert daemon.figure(daemon.look(), "volume", OPEN).value == 5
    daemon.clock.advance(9)
    assert list(daemon.look().find(STREAM, OPEN, "volume")) == []


def test_a_minute_is_measured_once_it_is_closed(daemon: World) -> None:
    daemon.predict(30)
    daemon.look()
    assert volume(daemon, NOW, MINUTE) is None
    daemon.clock.advance(75)
    daemon.predict(1)
    assert daemon.figure(daemon.look(), "volume").value == 30
    assert volume(daemon, NOW, MINUTE) == 30
    assert volume(daemon, NOW, 3600) == 31 or volume(daemon, NOW, 3600) == 30


def test_a_rolling_length_is_the_sum_of_its_minutes(daemon: World) -> None:
    for _ in range(5):
        daemon.predict(10)
        daemon.look()
        daemon.clock.advance(60)
    daemon.clock.advance(15)
    daemon.predict(1)
    assert daemon.figure(daemon.look(), "volume", 300).value == 50


def test_late_rows_are_added_to_their_minute_and_it_is_measured_again(daemon: World) -> None:
    daemon.predict(30)
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.look()
    daemon.predict(12, at=NOW + 1)
    daemon.look()
    assert volume(daemon, NOW, MINUTE) == 42


def test_a_stream_that_fell_silent_has_its_minute_closed_by_the_clock(daemon: World) -> None:
    daemon.predict(30)
    daemon.look()
    daemon.clock.advance(120)
    readings = daemon.look()
    assert volume(daemon, NOW, MINUTE) == 30
    silence = daemon.figure(readings, "silence_seconds", OPEN)
    assert silence.value == 120


def test_killed_between_counting_and_measuring_nothing_stays_unmeasured(daemon: World) -> None:
    daemon.predict(30)
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.count()
    daemon.restart()
    daemon.clock.advance(200)
    daemon.predict(1)
    daemon.look()
    assert volume(daemon, NOW, MINUTE) == 30
    with daemon.store.read() as connection:
        left = [window.start for window in unmeasured.load(connection).get(STREAM, [])]
    assert all(start >= NOW + 240 for start in left)


def test_history_is_measured_by_the_hour_and_does_not_count_as_now(daemon: World) -> None:
    for hour in range(1, 31):
        daemon.predict(3, at=NOW - hour * 3600 + 5)
    readings = daemon.look()
    assert list(readings.find(STREAM, OPEN, "volume")) == []
    daemon.clock.advance(2)
    daemon.look()
    daemon.clock.advance(60)
    daemon.predict(1)
    daemon.look()
    assert [volume(daemon, NOW - hour * 3600, 3600) for hour in range(1, 31)] == [3.0] * 30
    assert volume(daemon, NOW - 10 * 3600, MINUTE) is None


def test_a_probe_that_was_never_asked_is_not_measured_and_says_so(daemon: World) -> None:
    daemon.predict(1)
    availability = daemon.figure(daemon.look(), "availability", OPEN)
    assert availability.value is None
    assert availability.reason == "not probed yet"


def test_an_outcome_restates_the_minute_of_its_prediction(daemon: World) -> None:
    daemon.predict(40, prediction="ok")
    daemon.clock.advance(75)
    daemon.predict(1)
    daemon.look()
    daemon.tell(*(f"p{number}" for number in range(40)), truth="ok")
    daemon.look()
    with daemon.store.read() as connection:
        found = measurements.of_window(connection, STREAM, Window(int(NOW), int(NOW) + MINUTE))
    accuracy = next(m for m in found if m.metric == "accuracy" and not m.labels)
    assert (accuracy.value, accuracy.n) == (1.0, 40)


def test_a_stream_of_which_nothing_came_yet_stops_no_other(daemon: World) -> None:
    """It is known by its baseline, or by an outcome that came before its prediction."""
    waiting = Stream("acme", "waiting")
    with daemon.store.write() as connection:
        register.key(connection, waiting, daemon.clock.now())
    daemon.predict(30)
    readings = daemon.look()
    assert daemon.figure(readings, "volume", OPEN).value == 30
    (silence,) = readings.find(waiting, OPEN, "silence_seconds")
    assert (silence.value, silence.reason) == (None, "no prediction ever came")
