"""Columns that begin to drift while another drift is open are another wave, which is paged by itself."""

import numpy as np
import pytest

from monitor import drift
from monitor.records import Window
from tests.bench.few_rows import BUDGET
from tests.bench.streams import BUCKETS, HOUR, bucketed

COLUMNS, ROWS, REFERENCE, JUDGED = 20, 1000, 240, 130


@pytest.fixture(scope="module")
def calibration() -> drift.Calibration:
    columns = [drift.WatchedColumn(f"n {i}", drift.ColumnType.NUMBER, BUCKETS) for i in range(COLUMNS)]
    return drift.fit(columns, list(stream({})))


def stream(shifts: dict[int, int], first: int = 0, last: int = REFERENCE) -> list[drift.WindowCounts]:
    """Hours of columns that wander and follow the day; each of `shifts` moves by half a sd from its hour on."""
    rng = np.random.default_rng([2, first])
    phase, level = np.random.default_rng(2).uniform(0, 2 * np.pi, COLUMNS), np.zeros(COLUMNS)
    made = []
    for t in range(first, last):
        level = 0.8 * level + 0.6 * rng.standard_normal(COLUMNS)
        mean = 0.1 * level + 0.3 * np.sin(2 * np.pi * t / 24 + phase)
        for column, begin in shifts.items():
            mean[column] += 0.5 * (t >= begin)
        drawn = rng.standard_normal((COLUMNS, ROWS)) + mean[:, None]
        made.append(drift.WindowCounts(Window(t * HOUR, (t + 1) * HOUR), bucketed(drawn).ravel()))
    return made


def joined(calibration: drift.Calibration, shifts: dict[int, int]) -> list[tuple[int, int]]:
    """Each column that joined the incident (the last is all together), with its wave."""
    state, limits = drift.begin(calibration), drift.limits(calibration.columns, BUDGET.limit(HOUR))
    told = []
    for counts in stream(shifts, REFERENCE, REFERENCE + JUDGED):
        before = state.incident.member
        state, _ = drift.advance(calibration, state, counts, limits)
        new = np.flatnonzero(state.incident.member & ~before)
        told += [(int(column), int(state.incident.wave[column])) for column in new]
    return told


def test_a_drift_of_one_column_that_goes_on_is_one_wave_and_none_of_all_columns_together(
    calibration: drift.Calibration,
) -> None:
    """Its evidence moves that of all columns together about the limit."""
    assert set(joined(calibration, {0: REFERENCE + 10})) == {(0, 1)}


def test_another_column_long_after_the_first_is_another_wave_whenever_all_together_join(
    calibration: drift.Calibration,
) -> None:
    told = joined(calibration, {0: REFERENCE + 10, 5: REFERENCE + 70})
    waves = dict(told)
    assert waves[0] == 1
    assert waves[5] == 2
