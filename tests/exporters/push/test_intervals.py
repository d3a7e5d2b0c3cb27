"""Counters as deltas and totals: nothing is counted twice, and nothing is lost by what is given back."""

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.exporters.push.intervals import UNKNOWN, Intervals
from monitor.exporters.push.point import Point
from tests.exporters.push.made import NOW, counter, histogram, state
from tests.support.thorough import examples


def test_totals_name_the_time_since_which_they_count_where_it_is_known() -> None:
    intervals = Intervals("cumulative")
    (first,) = intervals.points([counter(1000)], NOW)
    assert (first.value, first.start) == (1000, UNKNOWN), "it may count since last year"
    old, new = intervals.points([counter(1005), counter(3, "8")], NOW + 30)
    assert (old.value, old.start) == (1005, UNKNOWN)
    assert (new.value, new.start) == (3, NOW), "it was not there before"
    (again, _end) = intervals.points([counter(2)], NOW + 60)
    assert (again.value, again.start) == (2, NOW + 30), "it started again after it was last seen"


def test_deltas_begin_with_the_second_samples_and_cover_the_time_since_the_last_point() -> None:
    intervals = Intervals("delta")
    assert intervals.points([counter(1000), histogram((1, 2, 3), 0.9)], NOW) == []
    one, two = intervals.points([counter(1005), histogram((1, 4, 6), 1.5)], NOW + 30)
    assert (one.value, one.start, one.time) == (5, NOW, NOW + 30)
    assert (two.counts, two.value, two.start) == ((0, 2, 3), 3, NOW)
    assert two.sum == 1.5 - 0.9
    (reset, _) = intervals.points([counter(4)], NOW + 60)
    assert (reset.value, reset.start) == (4, NOW + 30)


def test_a_series_that_ends_is_told_once_with_the_buckets_it_had() -> None:
    intervals = Intervals("cumulative")
    intervals.points([state(1), histogram((1, 1, 1), 0.1)], NOW)
    ends = intervals.points([], NOW + 30)
    assert [(end.metric.kind, end.is_end, len(end.bounds)) for end in ends] == [
        ("gauge", True, 0),
        ("histogram", True, 3),
    ]
    assert intervals.points([], NOW + 60) == []
    (back,) = intervals.points([state(2)], NOW + 90)
    assert not back.is_end


def test_a_value_that_is_no_number_does_not_spoil_a_counter() -> None:
    intervals = Intervals("delta")
    intervals.points([counter(10)], NOW)
    assert intervals.points([counter(float("nan"))], NOW + 30) == []
    (point,) = intervals.points([counter(12)], NOW + 60)
    assert (point.value, point.start) == (2, NOW)


Step = tuple[Literal["grow", "start again", "absent", "clock set back"], int, bool]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grow", "start again", "absent", "clock set back"]),
        st.integers(0, 50),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=examples(40), deadline=None)
@given(STEPS, st.booleans())
def test_law_the_deltas_that_arrive_sum_to_what_was_counted(steps: list[Step], as_histogram: bool) -> None:
    """Whatever is given back on the way, and whenever the counter starts again or the clock is set back."""
    back = 0
    intervals, value, seen, counted, arrived = Intervals("delta"), 100, 100, 0, 0.0

    def points(at: float, *, is_shown: bool = True) -> list[Point]:
        one = histogram((value, value, value), float(value)) if as_histogram else counter(value)
        return [point for point in intervals.points([one] if is_shown else [], at) if not point.is_end]

    points(NOW)
    for number, (what, amount, is_lost) in enumerate([*steps, ("grow", 1, False)], 1):
        if what == "start again" and seen:
            value = amount % seen
            counted, seen = counted + value, value
        else:
            value += amount
            counted, seen = (counted, seen) if what == "absent" else (counted + value - seen, value)
        back += amount if what == "clock set back" else 0
        made = points(NOW + number - back, is_shown=what != "absent")
        assert all(point.value >= 0 and point.start < point.time for point in made)
        if is_lost:
            intervals.give_back(made)
        else:
            arrived += sum(point.value for point in made)
    assert arrived == counted
