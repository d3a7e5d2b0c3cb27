"""The last seconds: kept small, and measured as the whole would be."""

import pyarrow as pa

from monitor.config.units import HOUR
from monitor.evaluation.past_measurements import PastMeasurements
from monitor.evaluation.recent_window import RecentWindow
from monitor.metrics import LIVE, MetricSettings, Subject, measure
from monitor.records import Measurement, Window
from monitor.store import measurements
from monitor.windows import baseline
from monitor.windows.kernel.count_rows import count
from monitor.windows.profile import core_of
from tests.support.log import NOW, STREAM, running
from tests.support.tables import predictions

BASE = baseline.from_table(STREAM, pa.Table.from_batches([predictions(3000, 1)]), 0.0)


def test_what_is_urgent_is_measured_from_the_core_as_from_the_whole():
    profile = count(predictions(300, 2), BASE.layout)
    core = core_of(profile)
    assert core.overall.counts.size < profile.overall.counts.size
    window = Window(0, 15)
    whole, small = (
        list(measure(Subject(STREAM, window, part, BASE, MetricSettings()), LIVE)) for part in (profile, core)
    )
    assert small == whole


def test_what_came_in_adds_up_and_is_forgotten_after_the_last_seconds():
    now = NOW
    recent = RecentWindow(15.0, lambda: now)
    for seed in (1, 2):
        recent.add(STREAM, Window(int(NOW), int(NOW) + 60), count(predictions(100, seed), BASE.layout))
    found = recent.profile(STREAM, now)
    assert found is not None
    assert found[1].rows == 200
    now += 16.0
    assert recent.profile(STREAM, now) is None


def test_the_last_seconds_are_whole_looks_however_late_in_each_was_counted():
    """A look is counted a little after it began; twelve seconds of looks each two seconds are six looks, not seven."""
    now = NOW
    recent = RecentWindow(12.0, lambda: now)
    for look in range(20):
        began = NOW + 2.0 * look + 0.05 * (look % 3)
        now = began + 0.02 + 0.1 * (look % 2)
        recent.add(STREAM, Window(int(NOW), int(NOW) + 60), count(predictions(10, look), BASE.layout))
        found = recent.profile(STREAM, began)
        assert found is not None
        if look > 6:  # the first one is taken to have come in at once: nobody looked before it
            assert found[1].rows == 60


def test_a_look_that_took_longer_than_the_last_seconds_is_seen_all_the_same():
    now = NOW
    recent = RecentWindow(12.0, lambda: now)
    for look in range(3):
        now = NOW + 40.0 * look
        recent.add(STREAM, Window(int(now), int(now) + 60), count(predictions(10, look), BASE.layout))
        found = recent.profile(STREAM, now)
        assert found is not None
        assert found[1].rows == 10


def test_an_hour_of_the_past_is_read_once_and_again_when_it_was_measured_anew(tmp_path):
    with running(tmp_path) as (_, store):
        hour = Window(int(NOW) - HOUR, int(NOW))

        def put(value: float) -> None:
            with store.write() as connection:
                found = [Measurement(STREAM, hour, "throughput", value, "per second", n=10)]
                measurements.put(connection, STREAM, hour, found, NOW)

        past = PastMeasurements(store)
        ask = (STREAM, "throughput", (), 60, NOW - HOUR, NOW - HOUR / 2)
        put(5.0)
        assert past(*ask) == 5.0
        put(7.0)
        assert past(*ask) == 5.0
        past.forget()
        assert past(*ask) == 7.0


def test_a_tick_that_takes_longer_than_the_last_seconds_loses_nothing_that_it_counted():
    now = NOW
    recent = RecentWindow(12.0, lambda: now)
    recent.add(STREAM, Window(int(NOW), int(NOW) + 60), count(predictions(100, 1), BASE.layout))
    now += 40.0
    found = recent.profile(STREAM, now)
    assert found is not None
    assert found[1].rows == 100
    now += 13.0
    assert recent.profile(STREAM, now) is None
