import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import NotFoundError
from monitor.lake import profile_files
from monitor.metrics import MetricSettings
from monitor.predictions.settings import PredictionSettings
from monitor.records import Window
from monitor.store import measurements, profiles
from monitor.windows import baseline, codec
from monitor.windows.count import count
from monitor.windows.reference import from_table
from tests.support.log import NOW, STREAM, running

HOURS = 60


def table(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    times = NOW * 1e6 + rng.integers(0, HOURS * 3600, rows) * 1e6
    return pa.table(
        {
            "timestamp": pa.array(times.astype(np.int64), pa.timestamp("us", "UTC")),
            "prediction": rng.choice(["a", "b"], rows),
            "amount": rng.normal(size=rows),
        }
    )


def test_a_lake_is_profiled_into_windows_and_measured(tmp_path):
    with running(tmp_path) as (_, store):
        tables = [table(20_000, 1), table(15_000, 2)]
        paths = [tmp_path / f"{number}.parquet" for number in range(2)]
        for path, part in zip(paths, tables, strict=True):
            pq.write_table(part, path, row_group_size=3000)
        arguments = (paths, STREAM, 3600, PredictionSettings(), MetricSettings(), NOW + HOURS * 3600)
        with pytest.raises(NotFoundError, match="has no baseline"):
            profile_files(store, *arguments)
        base = from_table(STREAM, table(5000, 0), NOW)
        with store.write() as connection:
            baseline.save(connection, base, NOW)
        for _ in range(2):  # running again changes nothing
            done = profile_files(store, *arguments)
            assert (done.taken, done.refused, len(done.windows)) == (35_000, 0, HOURS)
        window = Window(int(NOW) + 7200, int(NOW) + 10_800)
        whole = pa.concat_tables(tables)
        seconds = whole["timestamp"].cast(pa.int64()).to_numpy() // 1_000_000
        inside = whole.filter(pa.array((seconds >= window.start) & (seconds < window.end)))
        rows = pa.RecordBatch.from_pydict(
            {
                "prediction": inside["prediction"].combine_chunks(),
                "features.amount": inside["amount"].combine_chunks(),
            }
        )
        with store.read() as connection:
            stored = profiles.get(connection, STREAM, window)
            series = measurements.series(connection, STREAM, "volume", 3600, NOW, NOW + HOURS * 3600)
        assert stored is not None
        assert codec.decode(stored.blob, base.layout) == count(rows, base.layout)
        assert series.values.sum() == 35_000
