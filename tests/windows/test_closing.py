"""When a window closes: by the events' watermark and the lateness, or by the clock of an idle stream."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.records import Window
from monitor.windows import closing
from monitor.windows.settings import WindowSettings

SETTINGS = WindowSettings(lateness=10.0, idle=30.0)


def test_a_window_closes_when_events_have_passed_its_end_by_the_lateness():
    assert closing.horizon(69.0, 100.0, 100.0, SETTINGS) == 59.0
    assert closing.closed([Window(0, 60)], 59.0) == []
    assert closing.horizon(70.0, 100.0, 100.0, SETTINGS) == 60.0
    assert closing.closed([Window(60, 120), Window(0, 60)], 60.0) == [Window(0, 60)]


def test_a_silent_stream_is_closed_by_the_clock():
    assert closing.horizon(65.0, 100.0, 129.9, SETTINGS) == 55.0
    assert closing.horizon(65.0, 100.0, 130.0, SETTINGS) == 120.0
    assert closing.horizon(None, None, 130.0, SETTINGS) == 120.0
    assert closing.horizon(None, 129.0, 130.0, SETTINGS) == 120.0


def test_a_clock_that_runs_ahead_at_a_sender_closes_nothing_early():
    assert closing.horizon(5000.0, 100.0, 100.0, SETTINGS) == 90.0


@given(st.floats(0, 4e9), st.integers(1, 86_400))
def test_each_moment_is_in_exactly_one_window(moment, seconds):
    window = closing.window_of(moment, seconds)
    assert moment in window
    assert window.seconds == seconds
    assert window.start % seconds == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(60, 3600))
def test_windows_between_two_moments_tile_what_lies_inside(start, end, seconds):
    found = closing.between(start, end, seconds, 20_000)
    assert all(start <= w.start and w.end <= end for w in found)
    assert len(found) >= (end - start) / seconds - 2
    assert closing.last(end, seconds, 60).end <= end < closing.last(end, seconds, 60).end + 60


FAR = st.floats(-4e18, 4e18) | st.floats(-1e6, 1e6)


@given(FAR, FAR, st.integers(1, 86_400), st.integers(0, 50))
def test_of_any_span_at_most_so_many_windows_are_made_the_newest(start, end, seconds, most):
    found = closing.between(start, end, seconds, most)
    assert len(found) <= most
    last = int(end // seconds) * seconds
    if found:
        assert found[-1].end == last
        assert all(earlier.end == later.start for earlier, later in pairwise(found))
        assert found[0].start - seconds < start or len(found) == most
    if abs(start) < 1e6 and abs(end) < 1e6 and seconds > 1000:
        assert found == (closing.between(start, end, seconds, 10_000)[-most:] if most else [])
