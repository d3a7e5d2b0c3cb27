"""The share of the time in which a target was kept: every second of a period is counted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.health.attainment import Attainment, attained
from monitor.health.targets import Standing
from monitor.records import Stream
from monitor.store.targets import TargetPeriod

STREAM = Stream("acme", "fraud")
courses = st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from([str(s) for s in Standing])), max_size=8)


def periods(course: list[tuple[int, str]], begin: float = 0.0) -> list[TargetPeriod]:
    found, at = [], begin
    for index, (seconds, standing) in enumerate(course):
        until = None if index == len(course) - 1 else at + seconds
        found.append(
            TargetPeriod("accuracy", 0.9, True, stream=STREAM, since=at, until=until, standing=standing)
        )
        at += seconds
    return found


@given(course=courses, start=st.integers(0, 10**6), length=st.integers(1, 10**6))
def test_every_second_counts_once_and_a_miss_is_never_all_the_time(
    course: list[tuple[int, str]], start: int, length: int
) -> None:
    end = start + length
    found = attained(periods(course), start, end)
    if not course:
        assert found == []
        return
    [one] = found
    assert one.judged + one.unknown == pytest.approx(length)
    at, spent = 0, dict.fromkeys([str(s) for s in Standing], 0.0)
    for index, (seconds, standing) in enumerate(course):
        over = end if index == len(course) - 1 else at + seconds
        spent[standing] += max(0, min(end, over) - max(start, at))
        at += seconds
    assert (one.kept, one.at_risk, one.missed, one.unknown) == (
        spent["kept"], spent["at_risk"], spent["missed"], spent["unknown"],
    )  # fmt: skip
    assert ("all the time" in one.words) == (one.judged > 0 and one.kept == one.judged)
    assert (one.words == "not measured") == (one.judged == 0)


def test_a_target_that_was_changed_is_a_target_of_its_own() -> None:
    first, second = periods([(100, "kept"), (50, "missed")])
    other = TargetPeriod(
        "accuracy", 0.95, True, stream=STREAM, since=second.since, until=None, standing="missed"
    )
    found = attained([first, other], 0, 200)
    assert [(one.target, one.kept, one.missed) for one in found] == [(0.9, 100, 0), (0.95, 0, 100)]


def test_a_short_miss_is_not_rounded_away() -> None:
    assert Attainment("accuracy", 0.9, True, 1e6, 0, 1).words == "99.9 % of the time (missed for 1 s)"
    assert Attainment("accuracy", 0.9, True, 0, 86400, 0).words == "0 % of the time (perhaps missed for 1 d)"
