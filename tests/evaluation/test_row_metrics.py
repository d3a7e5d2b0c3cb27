"""Drift metrics that need rows: measured once an hour, on the last whole hour."""

import numpy as np
import pyarrow as pa

from monitor.evaluation.row_metrics import measure_rows
from monitor.metrics import MetricSettings
from monitor.predictions.log.batch import split
from monitor.store import timeseries
from monitor.windows import baseline
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
