"""Stored measurements: restated windows, series with gaps, retention, damaged schemas."""

import time

import numpy as np
import pytest
from sqlalchemy import text

from monitor.records import Better, Measurement, Stream, Window, labels
from monitor.store import measurements, timeseries
from monitor.store.db import Store
from monitor.store.retention import delete_old, with_old
from tests.support import schema

STREAM, OTHER = Stream("acme", "fraud"), Stream("acme", "churn")


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/test.db")
    schema.create(store)
    yield store
    store.close()


def measured(window: Window, value: float | None) -> list[Measurement]:
    head = Measurement(
        STREAM, window, "error_rate", value, "share", Better.LOWER, 120, low=0.0, high=0.5, p_value=0.04,
        baseline=0.01, reason="" if value is not None else "no rows",
    )  # fmt: skip
    detail = Measurement(STREAM, window, "psi", 0.25, "", Better.LOWER, 120, labels(feature="amount"))
    return [head, detail]


def test_measurements_come_back_as_they_were(store):
    windows = [Window(0, 60), Window(60, 120)]
    with store.write() as connection:
        for window, value in zip(windows, (0.125, None), strict=True):
            measurements.put(connection, STREAM, window, measured(window, value))
    with store.read() as connection:
        assert measurements.of_window(connection, STREAM, windows[0]) == measured(windows[0], 0.125)
        assert measurements.latest(connection, STREAM, 60) == measured(windows[1], None)
        assert measurements.latest(connection, STREAM, 3600) == []


def test_a_restated_window_takes_the_place_of_the_first(store):
    window = Window(0, 60)
    with store.write() as connection:
        measurements.put(connection, STREAM, window, measured(window, 0.1))
        measurements.put(connection, STREAM, window, measured(window, 0.2))
    with store.read() as connection:
        found = timeseries.load(connection, STREAM, "error_rate", 60, 0, 60)
    assert found.values.tolist() == [0.2]


def test_a_series_has_a_gap_where_nothing_was_measured_and_finds_its_labels(store):
    with store.write() as connection:
        for number, value in enumerate((0.1, None, 0.3)):
            window = Window(number * 60, number * 60 + 60)
            measurements.put(connection, STREAM, window, measured(window, value))
    with store.read() as connection:
        found = timeseries.load(connection, STREAM, "error_rate", 60, 0, 180)
        feature = timeseries.load(connection, STREAM, "psi", 60, 60, 180, labels(feature="amount"))
        assert len(timeseries.load(connection, STREAM, "psi", 60, 0, 180)) == 0
    assert found.starts.tolist() == [0, 60, 120]
    np.testing.assert_array_equal(found.values, [0.1, np.nan, 0.3])
    assert found.high.tolist() == [0.5, 0.5, 0.5]
    assert feature.values.tolist() == [0.25, 0.25]


def test_what_is_old_is_deleted(store):
    with store.write() as connection:
        for number in range(3):
            window = Window(number * 60, number * 60 + 60)
            measurements.put(connection, STREAM, window, measured(window, 0.1))
        prefixes = with_old(connection, measurements.AGED, 120)
        assert delete_old(connection, measurements.AGED, prefixes, 120) == 4
        assert with_old(connection, measurements.AGED, 120) == []
    with store.read() as connection:
        assert timeseries.load(connection, STREAM, "error_rate", 60, 0, 999).starts.tolist() == [120]


def test_a_month_of_minutes_is_read_in_seconds(store):
    minutes = 30 * 24 * 60
    with store.write() as connection:
        window = Window(0, 60)
        measurements.put(connection, STREAM, window, measured(window, 0.1))
        row = connection.exec_driver_sql("SELECT * FROM measurements WHERE part = 0").first()
        rows = [(row[0], row[1], row[2], 60 * n, *row[4:]) for n in range(1, minutes)]
        connection.exec_driver_sql("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    began = time.process_time()
    with store.read() as connection:
        found = timeseries.load(connection, STREAM, "error_rate", 60, 0, 60 * minutes)
    assert len(found) == minutes
    assert time.process_time() - began < 3


def test_slow_measurements_stand_beside_the_others_whichever_comes_first(store):
    window = Window(0, 60)
    slow = [Measurement(STREAM, window, "domain_classifier_auc", 0.5, n=900)]
    with store.write() as connection:
        assert measurements.with_slow(connection, {STREAM: window}) == set()
        measurements.put_slow(connection, STREAM, window, slow, 0.0)
        measurements.put(connection, STREAM, window, measured(window, 0.1))
        measurements.put(connection, OTHER, window, measured(window, 0.1))
        assert measurements.with_slow(connection, {STREAM: window, OTHER: window}) == {STREAM}
        assert measurements.of_window(connection, STREAM, window) == [*measured(window, 0.1), *slow]
        found = timeseries.load(connection, STREAM, "domain_classifier_auc", 60, 0, 60)
    assert found.values.tolist() == [0.5]


def test_a_damaged_schema_is_written_anew_by_the_next_stream_that_has_it(store):
    first, second = Window(0, 60), Window(60, 120)
    with store.write() as connection:
        measurements.put(connection, STREAM, first, measured(first, 0.125))
    for damaged in (b"", b"\xff", "text", -1, 2**62):
        with store.write() as connection:
            connection.execute(text("UPDATE measurement_shapes SET blob = :blob"), {"blob": damaged})
        with store.read() as connection:
            assert measurements.of_window(connection, STREAM, first) == []
        other = Stream("globex", "price")
        with store.write() as connection:
            measurements.put(connection, other, second, measured(second, 0.25))
        with store.read() as connection:
            assert [m.value for m in measurements.of_window(connection, other, second)] == [0.25, 0.25]
            assert measurements.of_window(connection, STREAM, first) == measured(first, 0.125)
