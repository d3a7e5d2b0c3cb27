"""Drift metrics that need rows: measured once an hour, on the last whole hour."""

import numpy as np
import pyarrow as pa

from monitor.evaluation import row_metrics
from monitor.evaluation.row_metrics import measure_rows
from monitor.metrics import MetricSettings
from monitor.predictions.log.batch import split
from monitor.records import Stream
from monitor.store import timeseries
from monitor.windows import baseline
from monitor.windows.round_robin import RoundRobin
from monitor.windows.settings import WindowSettings
from tests.support.log import NOW, STREAM, running
from tests.support.tables import predictions


def test_the_last_whole_hour_is_looked_at_once(tmp_path):
    with running(tmp_path) as (log, store):
        rows = predictions(3000, 1)
        times = (NOW * 1e6 + np.arange(3000) * 1.2e6).astype(np.int64)
        log.append(split(STREAM, rows.set_column(0, "timestamp", pa.array(times)), 60))
        later = NOW + 3700
        assert (
            measure_rows(store, WindowSettings(), MetricSettings(), later) == []
        )  # nothing to hold it against
        with store.write() as connection:
            base = baseline.from_table(STREAM, pa.Table.from_batches([predictions(4000, 2)]), NOW)
            baseline.save(connection, base, NOW)
        assert measure_rows(store, WindowSettings(), MetricSettings(), later) == [STREAM]
        assert measure_rows(store, WindowSettings(), MetricSettings(), later) == []
        with store.read() as connection:
            found = timeseries.load(connection, STREAM, "domain_classifier_auc", 3600, NOW, NOW + 1)
        assert 0.4 < found.values[0] < 0.6
        assert found.n.tolist() == [2000.0]


def test_of_very_many_streams_a_call_looks_at_some_and_the_next_call_at_others(tmp_path, monkeypatch):
    monkeypatch.setattr(row_metrics, "_AT_LEAST", 3)
    monkeypatch.setattr(row_metrics, "_SHARE", 10)
    with running(tmp_path) as (log, store):
        rows = predictions(100, 1)
        times = (NOW * 1e6 + np.arange(100) * 1.2e6).astype(np.int64)
        rows = rows.set_column(0, "timestamp", pa.array(times))
        streams = [Stream("acme", f"model-{number}") for number in range(7)]
        for stream in streams:
            log.append(split(stream, rows, 60))
        with store.write() as connection:
            for stream in streams[1:]:
                base = baseline.from_table(stream, pa.Table.from_batches([predictions(300, 2)]), NOW)
                baseline.save(connection, base, NOW)
        turns = RoundRobin(0.0)
        means = WindowSettings(), MetricSettings(), NOW + 3700, turns
        measured = [measure_rows(store, *means) for _ in range(3)]
        assert [len(some) for some in measured] == [2, 3, 1], "the first one has no baseline"
        assert sorted(stream for some in measured for stream in some) == streams[1:]
        assert measure_rows(store, *means) == []
