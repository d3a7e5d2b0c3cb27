"""Streams that real companies have: many categories, values that are replaced, a season that changes, slow wander."""

import numpy as np
import pytest

from monitor import drift
from tests.bench import hard_streams
from tests.bench.hard_streams import JUDGED, REFERENCE, Hard
from tests.bench.streams import HOUR

BUDGET = drift.parse("1 per 30 days")


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


@pytest.mark.parametrize("kind", ["zipf", "churn", "amplitude ramp"])
def test_what_is_usual_for_a_stream_is_no_drift(kind: str) -> None:
    assert judged(Hard(kind, 100 if kind == "zipf" else 1000, 2101, few=True), REFERENCE + 960) == {}


@pytest.mark.parametrize(
    ("kind", "change", "column", "windows"),
    [
        ("zipf", "new value 2 %", "zipf 0", 2),
        ("zipf", "10 points", "zipf 0", 6),
        ("amplitude ramp", "0.5 sd", "season 0", 4),
        ("churn", "plain 0.5 sd", "plain 0", 4),
    ],
)
def test_a_change_beside_what_is_usual_is_found(kind: str, change: str, column: str, windows: int) -> None:
    spec = hard_streams.at(Hard(kind, 1000, 2102, few=True), change)
    assert judged(spec, spec.begin + windows)[column] - spec.begin < windows
