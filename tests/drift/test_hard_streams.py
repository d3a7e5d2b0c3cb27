"""Streams that real companies have: many categories, values that are replaced, a season that changes, slow wander."""

import numpy as np
import pytest

from monitor import drift
from monitor.drift import replaced_values
from monitor.drift.columns import ColumnType, WatchedColumn
from monitor.drift.decision.verdict import verdicts
from monitor.records import Stream, Window
from tests.bench import hard_streams
from tests.bench.hard_streams import JUDGED, REFERENCE, Hard
from tests.bench.streams import HOUR

BUDGET = drift.parse("1 per 30 days")
STREAM = Stream("acme", "fraud")


def judged(spec: Hard, until: int = REFERENCE + JUDGED) -> dict[str, int]:
    """When each column joined an incident, by its name."""
    stream, columns = hard_streams.windows(spec), hard_streams.columns(spec)
    calibration = drift.fit(columns, [next(stream) for _ in range(REFERENCE)])
    limits = drift.limits(calibration.columns, BUDGET.limit(HOUR))
    state, joined = drift.begin(calibration), {}
    for t, window in zip(range(REFERENCE, until), stream, strict=False):
        state, decision = drift.advance(calibration, state, window, limits)
        for index in np.flatnonzero(decision.joined[:-1]):
            joined.setdefault(columns[index].name, t)
    return joined


@pytest.mark.parametrize("kind", ["zipf", "churn", "amplitude ramp", "stale"])
def test_what_is_usual_for_a_stream_is_no_drift(kind: str) -> None:
    assert judged(Hard(kind, 100 if kind == "zipf" else 1000, 2101, few=True), REFERENCE + 960) == {}


@pytest.mark.parametrize(
    ("kind", "change", "column", "windows"),
    [
        ("zipf", "new value 2 %", "zipf 0", 2),
        ("zipf", "10 points", "zipf 0", 6),
        ("amplitude ramp", "0.5 sd", "season 0", 4),
        ("wander", "0.5 sd", "wander 0", 1),
        ("churn", "plain 0.5 sd", "plain 0", 4),
        ("stale", "0.5 sd", "stale 0", 8),  # it begins at midnight: six hours say nothing
    ],
)
def test_a_change_beside_what_is_usual_is_found(kind: str, change: str, column: str, windows: int) -> None:
    spec = hard_streams.at(Hard(kind, 1000, 2102, few=True), change)
    assert judged(spec, spec.begin + windows)[column] - spec.begin < windows


def test_a_level_that_jumps_to_where_the_reference_has_its_mean_is_found_told_so_and_closed() -> None:
    """It wandered to 0.4 standard deviations below its mean before the jump, so nothing is unusual after it."""
    spec = Hard("wander", 1000, 32, "0.5 sd", few=True)
    stream, columns = hard_streams.windows(spec), hard_streams.columns(spec)
    calibration = drift.fit(columns, [next(stream) for _ in range(REFERENCE)])
    limits = drift.limits(calibration.columns, BUDGET.limit(HOUR))
    state, seen = drift.begin(calibration), []
    for t, window in zip(range(REFERENCE, spec.begin + 12), stream, strict=False):
        state, decision = drift.advance(calibration, state, window, limits)
        seen.append((decision.opened, decision.closed))
        if t == spec.begin:
            assert decision.opened
            assert decision.scored is not None
            assert abs(decision.scored.deviation[0]) < 0.1
            told = verdicts(STREAM, calibration, state, decision, limits, BUDGET)[0]
            assert told.effect == pytest.approx(0.45, abs=0.05)
            assert "differ from what the windows before let expect by 0.4" in told.reason
            assert told.reason.endswith("the change is so large that one window is enough")
    assert sum(opened for opened, _ in seen) == 1
    assert any(closed for _, closed in seen), "its level is as usual"


def test_values_that_replace_others_after_a_short_baseline_are_marked_by_the_windows_after_it() -> None:
    known = WatchedColumn("customer", ColumnType.LABEL, 256)
    few = WatchedColumn("plan", ColumnType.LABEL, 8)

    def window(t: int) -> drift.WindowCounts:
        counts = np.zeros(known.size + few.size)
        for place, size in ((0, known.size), (known.size, few.size)):
            counts[place + 1] = t  # new values grow from none to a tenth
            counts[place + 2 : place + size - 1] = (1000 - t) / (size - 3)
        return drift.WindowCounts(Window(t * HOUR, (t + 1) * HOUR), counts)

    told = replaced_values.marked((known, few), [window(t) for t in range(100)])
    assert [one.replaced for one in told] == [True, False]
    assert not any(one.replaced for one in replaced_values.marked((known, few), [window(50)] * 100))
