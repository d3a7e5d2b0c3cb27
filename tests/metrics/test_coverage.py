"""A 95 % interval holds what would be found with all the rows there could be in 95 of 100 windows."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.metrics import MetricSettings, Subject, intervals, measure
from monitor.records import Measurement, Stream, Window
from monitor.windows.baseline_from_table import Baseline, from_table
from monitor.windows.kernel.count_rows import count
from monitor.windows.outcome_counts import count_outcomes
from monitor.windows.profile import merge

STREAM, HOUR = Stream("acme", "fraud"), Window(0, 3600)
WINDOWS, ROWS = 400, 300


def rows(n: int, rng: np.random.Generator) -> pa.Table:
    """A classifier of three classes, one of them rare."""
    truth = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    answer = np.where(rng.random(n) < 0.75, truth, rng.choice(["a", "b", "c"], n))
    return pa.table({"prediction": answer, "outcome.truth": truth, "features.x": rng.normal(size=n)})


def measured(base: Baseline, table: pa.Table) -> dict[tuple[str, str], Measurement]:
    (batch,) = table.to_batches()
    profile = merge([count(batch, base.layout), count_outcomes(batch, base.layout)])
    found = measure(Subject(STREAM, HOUR, profile, base, MetricSettings()))
    return {
        (one.metric, one.label("class")): one
        for one in found
        if one.metric in ("accuracy", "precision", "recall", "f1", "balanced_accuracy")
    }


def test_intervals_of_quality_hold_what_they_say() -> None:
    rng = np.random.default_rng(5)
    base = from_table(STREAM, rows(1000, rng), 0.0)
    really = measured(base, rows(1_000_000, rng))
    held = dict.fromkeys(really, 0)
    for _ in range(WINDOWS):
        for key, one in measured(base, rows(ROWS, rng)).items():
            truth = really[key].value
            assert one.low is not None
            assert one.high is not None
            assert truth is not None
            held[key] += one.low <= truth <= one.high
    shares = {key: times / WINDOWS for key, times in held.items()}
    assert {key: share for key, share in shares.items() if not 0.92 <= share <= 0.985} == {}


@pytest.mark.parametrize("n", [1.0, 3.0, 300.0, 400.0, 4e5])
def test_the_interval_of_a_share_holds_the_share(n: float) -> None:
    """Also at its ends, where rounding put nothing just below the interval of nothing."""
    each = intervals.wilson_each(np.array([0.0, n / 3, n]), np.array([n] * 3))
    for place, hits in enumerate((0.0, n / 3, n)):
        low, high = intervals.wilson(hits, n)
        assert low <= hits / n <= high
        assert (each[0][place], each[1][place]) == pytest.approx((low, high))
    assert intervals.wilson(0.0, n)[0] == 0.0
    assert intervals.wilson(n, n)[1] == 1.0
