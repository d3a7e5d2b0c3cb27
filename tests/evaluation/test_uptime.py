"""Silence is what was listened to: a daemon that was away does not call a model silent."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.evaluation.clock_metrics import ClockMetrics
from monitor.evaluation.uptime import UptimeRecorder
from monitor.metrics.system.daemon import SILENCE_SECONDS
from monitor.records import Stream
from monitor.store import uptime
from monitor.store.db import Store
from monitor.store.streams import StreamFigures
from tests.support import schema

NOW = 1_795_420_800.0
STREAM = Stream("acme", "fraud", "production")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    return store


def listen(kept: UptimeRecorder, start: float, end: float) -> None:
    """Look every five seconds."""
    for second in range(int(start), int(end) + 1, 5):
        kept.keep(float(second))


def silence(store: Store, kept: UptimeRecorder, last_received: float, now: float) -> float | None:
    wall = ClockMetrics(store, lambda _: False, kept.seconds)
    figures = StreamFigures(STREAM, 100, last_received - 1000, last_received, last_received)
    (found,) = (one for one in wall.measure(figures, now) if one.metric == SILENCE_SECONDS.name)
    return found.value


def test_a_running_daemon_counts_every_second_of_silence(store: Store) -> None:
    kept = UptimeRecorder(store)
    listen(kept, NOW, NOW + 100)
    assert silence(store, kept, NOW + 30, NOW + 102) == 72


def test_after_a_restart_the_time_without_a_daemon_is_no_silence(store: Store) -> None:
    listen(UptimeRecorder(store), NOW, NOW + 100)  # killed; predictions came until the end
    again = UptimeRecorder(store)
    again.keep(NOW + 4000)
    assert silence(store, again, NOW + 100, NOW + 4000) == 0
    again.keep(NOW + 4020)
    assert silence(store, again, NOW + 100, NOW + 4020) == 20


def test_a_model_that_fell_silent_before_the_restart_stays_silent_through_it(store: Store) -> None:
    listen(UptimeRecorder(store), NOW, NOW + 100)
    again = UptimeRecorder(store)
    again.keep(NOW + 4000)
    assert silence(store, again, NOW + 20, NOW + 4000) == 80


def test_a_daemon_that_was_frozen_did_not_listen(store: Store) -> None:
    kept = UptimeRecorder(store)
    listen(kept, NOW, NOW + 100)
    kept.keep(NOW + 1000)
    assert silence(store, kept, NOW + 100, NOW + 1010) == 10


def test_a_daemon_that_was_frozen_for_half_a_minute_did_not_listen_either(store: Store) -> None:
    kept = UptimeRecorder(store)
    for second in range(100):
        kept.beat(NOW + second)
        kept.keep(NOW + second)
    kept.keep(NOW + 135)  # wakes up in the tick, before the beat does
    assert silence(store, kept, NOW + 99, NOW + 135) == 0
    kept.beat(NOW + 136)
    kept.keep(NOW + 137)
    assert silence(store, kept, NOW + 99, NOW + 150) == 15


def test_a_look_that_takes_half_a_minute_is_no_frost(store: Store) -> None:
    kept = UptimeRecorder(store)
    kept.keep(NOW)
    for second in range(30):
        kept.beat(NOW + second)
    kept.keep(NOW + 30)
    assert silence(store, kept, NOW + 1, NOW + 30) == 29


def test_a_clock_set_back_makes_nobody_silent(store: Store) -> None:
    kept = UptimeRecorder(store)
    listen(kept, NOW, NOW + 100)
    kept.keep(NOW - 5000)
    assert silence(store, kept, NOW + 100, NOW - 5000) == 0


def test_while_another_daemon_listened_silence_counts(store: Store) -> None:
    with store.write() as connection:
        uptime.put(connection, "other", NOW - 500, NOW - 1)
    kept = UptimeRecorder(store)
    kept.keep(NOW)
    assert silence(store, kept, NOW - 300, NOW) == 299


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=6), st.integers(0, 60))
def test_the_seconds_listened_to_are_those_of_the_union(periods: list[tuple[int, int]], start: int) -> None:
    store = Store("sqlite://")
    schema.create(store)
    with store.write() as connection:
        for number, (since, length) in enumerate(periods):
            uptime.put(connection, f"p{number}", NOW + since, NOW + since + length)
    kept = UptimeRecorder(store)
    kept.keep(NOW + 95)
    seconds = {second for since, length in periods for second in range(since, since + length)}
    seconds |= set(range(95, 100))
    assert kept.seconds(NOW + start, NOW + 100) == len([second for second in seconds if start <= second])
