"""A baseline from a period is the one that a table of all its rows would give, however few of them are in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.predictions.log.batch import concatenate, decode, split
from monitor.records import Window
from monitor.store import predictions
from monitor.windows import baseline, baseline_period, codec
from monitor.windows.kernel.count_rows import count
from monitor.windows.layout import from_table
from monitor.windows.profile import blank, merge
from tests.support.log import NOW, STREAM, running

HOURS = 6


def hour(number: int) -> pa.RecordBatch:
    """Rows whose columns are not the same in each hour."""
    rng = np.random.default_rng(number)
    times = NOW + 3600 * number + np.sort(rng.random(400)) * 3600
    columns = {
        "id": pa.array([f"{number}-{row}" for row in range(400)]),
        "timestamp": pa.array((times * 1e6).astype(np.int64)),
        "prediction": pa.array(rng.choice(["ok", "fraud"], 400)).dictionary_encode(),
        "features.amount": pa.array(rng.normal(size=400)),
        "features.country": pa.array(rng.choice(["DE", "FR", "IT"], 400)).dictionary_encode(),
    }
    if number % 2:
        columns["features.late"] = pa.array(rng.random(400))
    if number == 3:  # a number until now
        columns["features.amount"] = pa.array(
            [str(value) for value in rng.normal(size=400)]
        ).dictionary_encode()
    if number % 3:
        del columns["features.country"]
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


@pytest.mark.parametrize("at_once", [1, 5000, 10**9])
def test_it_is_the_baseline_of_all_rows_whatever_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(baseline_period, "_VALUES_IN_MEMORY", at_once)
    monkeypatch.setattr(baseline_period, "_MERGED_ROWS", 50)
    with running(tmp_path) as (log, store):
        for number in range(HOURS):
            log.append(split(STREAM, hour(number), 60))
        with store.read() as connection:
            made = baseline.from_period(connection, STREAM, NOW, NOW + HOURS * 3600, NOW)
            parts = [
                decode(one.blob) for one in predictions.batches(connection, STREAM, NOW, NOW + HOURS * 3600)
            ]
    layout = from_table.of(pa.Table.from_batches([concatenate(parts)]))
    assert made.layout.id == layout.id
    whole = merge([blank(layout), *(count(part, layout) for part in parts)])
    assert codec.encode(made.profile) == codec.encode(whole)
    assert made.profile.rows == HOURS * 400
    assert made.span == Window(int(NOW), int(NOW) + HOURS * 3600)
    assert made.sample is not None
    assert made.sample.num_rows == baseline.SAMPLE_ROWS
    ids = made.sample.column("id").to_pylist()
    assert len(set(ids)) == len(ids)


def test_only_the_columns_that_are_looked_at_stay_in_memory(tmp_path: Path) -> None:
    rows, features = 20_000, 50
    rng = np.random.default_rng(1)
    with running(tmp_path) as (log, store):
        times = NOW + np.sort(rng.random(rows)) * 3600
        columns = [
            pa.array((times * 1e6).astype(np.int64)),
            *(pa.array(rng.normal(size=rows)) for _ in range(features)),
        ]
        names = ["timestamp", *(f"features.f{number:02}" for number in range(features))]
        log.append(split(STREAM, pa.RecordBatch.from_arrays(columns, names=names), 60))
        with store.read() as connection:
            numbers = predictions.numbers(connection, STREAM, NOW, NOW + 3600)
            read = baseline_period.PeriodColumns(connection, STREAM, numbers)
            before = pa.total_allocated_bytes()
            assert len(read.column("features.f49")) == rows
            assert pa.total_allocated_bytes() - before < 3 * rows * 8
