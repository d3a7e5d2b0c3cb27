"""Seasonal baselines: the same hour of past weeks, and versions against the one before."""

import numpy as np
import pyarrow as pa
import pytest

from monitor.config.units import WEEK
from monitor.metrics import MetricSettings, Subject, measure
from monitor.predictions.log.batch import split
from monitor.records import Window
from monitor.windows import reference_windows
from monitor.windows.baseline_from_table import conform, from_table
from monitor.windows.counting import count_new
from monitor.windows.kernel.count_rows import count
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, running
from tests.support.tables import predictions

HOUR = Window(int(NOW), int(NOW) + 3600)


def rows_in(window: Window, rows: int) -> pa.RecordBatch:
    times = (window.start * 1e6 + np.arange(rows) * (window.seconds * 1e6 / rows)).astype(np.int64)
    return predictions(rows).set_column(0, "timestamp", pa.array(times))


def test_the_seasonal_baseline_is_the_same_hour_of_past_weeks(tmp_path):
    with running(tmp_path) as (log, store):
        for weeks, rows in ((1, 600), (2, 300), (4, 50)):
            then = Window(HOUR.start - weeks * WEEK, HOUR.end - weeks * WEEK)
            log.append(split(STREAM, rows_in(then, rows), 60))
        log.append(split(STREAM, rows_in(Window(HOUR.start - 86400, HOUR.end - 86400), 900), 60))
        count_new(store, WindowSettings(), NOW)
        with store.write() as connection:
            rolling = Rolling(connection, 60, settled=HOUR.start)
            found = reference_windows.same_hour_of_week(rolling, STREAM, HOUR, 3, NOW)
            assert reference_windows.same_hour_of_week(rolling, STREAM, Window(0, 3600), 3, NOW) is None
        assert found is not None
        assert found.profile.rows == 900
        assert found.source == "the same time of the week, 2 weeks"
        subject = Subject(STREAM, HOUR, found.profile, found, MetricSettings())
        volume = next(m for m in measure(subject) if m.metric == "volume")
        assert volume.baseline == pytest.approx(450)


def test_a_version_is_held_against_the_one_before():
    rows = pa.table(
        {
            "version": ["7"] * 500 + ["8"] * 500,
            "x": np.r_[np.zeros(500), np.ones(500)] + np.tile([0, 0.1], 500),
        }
    )
    base = from_table(STREAM, rows, 0.0)
    profile = count(conform(rows).combine_chunks().to_batches()[0], base.layout)
    before = reference_windows.of_version(STREAM, profile, "7", NOW)
    assert before is not None
    assert reference_windows.of_version(STREAM, profile, "9", NOW) is None
    subject = Subject(STREAM, HOUR, reference_windows.only_version(profile, "8"), before, MetricSettings())
    shift = next(m for m in measure(subject) if m.metric == "mean_shift" and m.label("feature") == "x")
    assert shift.value == pytest.approx(1 / 0.05, rel=0.01)
